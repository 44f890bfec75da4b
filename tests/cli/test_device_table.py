"""hwcost devices: every part of the table."""

from __future__ import annotations

import json

from command_line import Hwcost

from hwcost.models import devices


def test_devices(hwcost: Hwcost) -> None:
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
