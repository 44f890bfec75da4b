"""Fixtures of every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Hwcost, command_line


@pytest.fixture
def hwcost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Hwcost]:
    """The command, in a folder of its own with a few files of a user in it."""
    with command_line(tmp_path, monkeypatch, capsys) as called:
        yield called


@pytest.fixture
def study(hwcost: Hwcost, tmp_path: Path) -> Path:
    assert hwcost("sweep", "tiny.py:recipe", "--trials", 3, "--out", "study", "--quiet").status == 0
    return tmp_path / "study"
