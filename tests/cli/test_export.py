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
def test_the_folding_of_a_trial_is_that_of_its_study(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    ended = hwcost("export", study, "--to", "finn", "--trial", 0, "-o", tmp_path / "folding.json")
    assert ended.status == 0, ended.err
    nodes = json.loads((tmp_path / "folding.json").read_text())
    assert next(iter(nodes)) == "Defaults" and any(name.startswith("MVAU") for name in nodes)
    refused(hwcost("export", study, "--to", "finn", "--trial", 0, "--fps", 5, "-o", "x.json"), "omit fps")


@pytest.mark.slow
def test_a_folding_of_a_trial_takes_no_values(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    refused(hwcost("export", study, "--to", "finn", "--trial", 0, "--input-step", 1, "-o", "x.json"), "--to finn")
    assert not (tmp_path / "x.json").exists()
