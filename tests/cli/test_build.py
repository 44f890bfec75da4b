"""`hwcost build`: files, figures, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed: nothing was built; pip install 'hwcost[synth]'")

from click.testing import CliRunner

from hwcost.cli.build import build_command
from hwcost.errors import BadOption

SOURCE = """
from torch import nn
from hwcost.quant import QuantLinear, QuantReLU, const_activation, const_weight

def net():
    return nn.Sequential(
        QuantLinear(6, 4, weight_quant=const_weight(bits=3)), QuantReLU(const_activation(bits=2)),
        QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=3, per_channel=False)),
    )
"""


def test_a_network_is_built_and_simulated(tmp_path: Path) -> None:
    source = tmp_path / "net_to_build.py"
    source.write_text(SOURCE, encoding="utf-8")
    given = [
        f"{source}:net",
        "--input",
        "6",
        "--input-bits",
        "3",
        "--device",
        "xczu7ev",
        "--out",
        str(tmp_path / "made"),
    ]
    run = CliRunner().invoke(
        build_command, [*given, "--simulate", "8", "--simulator", "amaranth", "--json"], catch_exceptions=False
    )
    found = json.loads(run.stdout)
    simulation = found["simulation"]
    assert simulation["words"] > 0 and simulation["interval_cycles"] == simulation["priced_interval_cycles"]
    assert {*found["files"]} == {path.name for path in (tmp_path / "made").iterdir()}
    ports = json.loads((tmp_path / "made" / "interface.json").read_text(encoding="utf-8"))
    assert ports["module"] == "accelerator" and ports["input"]["shape"] == [6]


def test_options_of_a_study_need_a_trial(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="also give --trial"):
        CliRunner().invoke(build_command, ["x", "--refit", "--out", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(BadOption, match="a study defines network and hardware; omit fps"):
        CliRunner().invoke(
            build_command, ["x", "--trial", "1", "--fps", "10", "--out", str(tmp_path)], catch_exceptions=False
        )
