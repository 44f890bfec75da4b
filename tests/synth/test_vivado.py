"""Vivado's utilisation reports, flat and hierarchical."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was verified; pip install 'hwcost[synth]'")

from hwcost.errors import BadData
from hwcost.models.resources import COUNTED
from hwcost.synth.verify import against
from hwcost.synth.vivado import read_report

FLAT = """
| CLB LUTs*                  | 1234 |     0 |
| CLB Registers              |  987 |     0 |
| Block RAM Tile             | 10.5 |     0 |
| URAM                       |    2 |     0 |
| DSPs                       |    3 |     0 |
"""


TREE = """
|   Instance   | Module | Total LUTs | Logic LUTs |  FFs | RAMB36 | RAMB18 | DSP Blocks |
| top          | (top)  |        300 |        300 |  200 |      2 |      1 |          0 |
|   u_conv1    |  mvu   |        100 |        100 |   50 |      1 |      0 |          0 |
|   u_fc1      |  mvu_1 |        150 |        150 |   90 |      1 |      1 |          0 |
"""


def test_reports_of_vivado(tmp_path: Path) -> None:
    (tmp_path / "flat.rpt").write_text(FLAT)
    (tmp_path / "tree.rpt").write_text(TREE)
    assert read_report(tmp_path / "flat.rpt") == {"": {"LUT": 1234, "FF": 987, "BRAM18": 21, "URAM": 2, "DSP": 3}}
    tree = read_report(tmp_path / "tree.rpt")
    assert tree["u_fc1"] == {"LUT": 150, "FF": 90, "BRAM18": 3, "DSP": 0} and tree[""]["BRAM18"] == 5
    estimate = {layer: dict.fromkeys(COUNTED, 10.0) for layer in ("conv1", "fc1")}
    assert list(against(["conv1", "fc1"], estimate, tree)["LUT_measured"]) == [100, 150]
    whole = against(["conv1", "other"], {"conv1": estimate["conv1"], "other": estimate["fc1"]}, tree)
    assert list(whole["layer"]) == ["total"] and list(whole["LUT"]) == [20]
    (tmp_path / "bad.rpt").write_text("nothing")
    with pytest.raises(BadData, match="report_utilization"):
        read_report(tmp_path / "bad.rpt")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"absent\.rpt: cannot be read"):
        read_report(tmp_path / "absent.rpt")
