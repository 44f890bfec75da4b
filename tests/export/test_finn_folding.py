"""FINN's folding file: the names that FINN gives, our folds, and every refusal at once."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from hwcost.cli import cli
from hwcost.errors import UnknownBlock
from hwcost.export import finn_folding
from hwcost.models import Dataflow, Fold
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, const_weight
from hwcost.ranges import integers
from hwcost.trace import Pipeline, trace


def traced(groups: int = 1) -> Pipeline:
    net = nn.Sequential(
        QuantConv2d(4, 8, 3, padding=1, groups=groups, bias=False, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=3)),
        nn.Flatten(),
        QuantLinear(128, 10, bias=False, weight_quant=const_weight(bits=4)),
    )
    return trace(net, torch.zeros(1, 4, 4, 4), input_range=integers(8, signed=False))


FOLDS = {"0": Fold(pe=2, simd=4), "3": Fold(pe=5, simd=8)}


def test_names_and_folds() -> None:
    model = Dataflow(
        device="xc7z020",
        folding=FOLDS,
        multipliers={"0": "lut", "3": "dsp"},
        weight_memory={"0": "lutram", "3": "auto"},
    )
    found = finn_folding(traced(), model)
    assert list(found) == [
        "Defaults",
        "FMPadding_rtl_0",
        "ConvolutionInputGenerator_rtl_0",
        "MVAU_hls_0",
        "Thresholding_rtl_0",
        "MVAU_rtl_0",
    ]
    unit = {"PE": 2, "SIMD": 4, "resType": "lut", "mem_mode": "internal_decoupled", "ram_style": "distributed"}
    assert found["MVAU_hls_0"] == unit
    assert (found["MVAU_rtl_0"]["PE"], found["MVAU_rtl_0"]["SIMD"]) == (5, 8)
    assert found["FMPadding_rtl_0"]["SIMD"] == found["ConvolutionInputGenerator_rtl_0"]["SIMD"] == 4


def test_a_grouped_unit_is_refused_by_name() -> None:
    model = Dataflow(device="xc7z020", folding=FOLDS | {"0": Fold(pe=8, simd=2)})
    with pytest.raises(UnknownBlock, match=r"^0: FINN has no unit for 2 groups of 4 outputs"):
        finn_folding(traced(groups=2), model)


def test_the_command_writes_what_the_design_says(tmp_path: Path) -> None:
    out = tmp_path / "folding.json"
    result = CliRunner().invoke(cli, ["export", "cnv-w2a2", "--to", "finn", "-o", str(out)], catch_exceptions=False)
    found = json.loads(out.read_text())
    assert result.exit_code == 0 and f"{len(found) - 1} nodes" in result.output
    assert sum(name.startswith("MVAU_") for name in found) == 9
