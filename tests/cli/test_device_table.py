"""hwcost devices: every part of the table."""

from __future__ import annotations

import json

import pytest
from command_line import Hwcost

from hwcost.models import devices


def test_devices(hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    table = hwcost("devices")
    record = json.loads(hwcost("devices", "--json").out)
    assert table.status == 0
    assert [entry["name"] for entry in record] == [part.name for part in devices()]
    for part, entry in zip(devices(), record, strict=True):
        assert entry["LUT"] == part.LUT and entry["source"]
        assert part.name in table.out and f"{part.LUT:,}" in table.out
        assert all(alias in table.out for alias in part.aliases)
        assert entry["unconfirmed"] == list(part.unconfirmed)
        assert all(f"{getattr(part, name):,}?" in table.out for name in part.unconfirmed)
    assert "?: not checked against a public document" in table.out


def test_devices_on_a_narrow_terminal(hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = hwcost("devices").out.splitlines()
    assert max(map(len, shown[:-2])) <= 80 and shown[-1].startswith("Left out at 80 characters: also, slice")
    assert all(any(part.name in line and f"{part.LUT:,}" in line for line in shown) for part in devices())
