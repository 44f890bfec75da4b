"""hwcost export: the files it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Hwcost, refused


def test_an_export_for_machines(hwcost: Hwcost, tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    ended = hwcost("export", "tfc-w1a1", "-o", file, "--json")
    assert (ended.status, ended.err) == (0, "")
    nodes = len(json.loads(file.read_text())) - 1
    assert json.loads(ended.out) == {"form": "finn", "files": [{"file": str(file), "holds": f"{nodes} nodes"}]}


@pytest.mark.slow
def test_a_folding_of_a_trial_is_refused(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    refused(hwcost("export", study, "--to", "finn", "--trial", 0, "--input-step", 1, "-o", "x.json"), "--to finn")
    assert not (tmp_path / "x.json").exists()
