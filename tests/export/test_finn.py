"""FINN's folding file: the names that FINN gives, our folds, and every refusal at once."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from hwcost.cli import cli
from hwcost.cli.network import pipeline_of
from hwcost.errors import UnknownBlock
from hwcost.export import finn_folding
from hwcost.graph.ranges import integers
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, Fold, target_fps
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, const_weight
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision


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


# The nodes of FINN's own folding files (Xilinx/finn, tests/benchmark: folding_config of mobilenet_v1 for the ZCU104, of
# cnv-w1a1, cnv-w2a2 and tfc-w1a1), without FIFOs, which FINN sizes itself, and without what their networks have beside
# ours: an input quantizer in front, a bias and a label select behind.
WINDOW, POOL = "ConvolutionInputGenerator_rtl", "Pool_hls"
MOBILENET = [f"{WINDOW}_0", "MVAU_rtl_0", "Thresholding_rtl_0"]
for at in range(13):
    MOBILENET += [f"FMPadding_rtl_{at}", f"{WINDOW}_{at + 1}", f"VVAU_hls_{at}", f"Thresholding_rtl_{2 * at + 1}"]
    MOBILENET += [f"MVAU_rtl_{at + 1}", f"Thresholding_rtl_{2 * at + 2}"]
MOBILENET += [f"{WINDOW}_14", f"{POOL}_0", "MVAU_rtl_14"]
CNV = [
    f"{WINDOW}_0",
    "MVAU_hls_0",
    f"{WINDOW}_1",
    "MVAU_hls_1",
    f"{WINDOW}_2",
    f"{POOL}_0",
    f"{WINDOW}_3",
    "MVAU_hls_2",
]
CNV += [f"{WINDOW}_4", "MVAU_hls_3", f"{WINDOW}_5", f"{POOL}_1", f"{WINDOW}_6", "MVAU_hls_4", f"{WINDOW}_7"]
CNV += [f"MVAU_hls_{at}" for at in range(5, 9)]


@pytest.mark.slow
def test_the_names_are_those_of_finns_own_file_of_a_network_with_thresholds_of_their_own() -> None:
    net = MobileNetV1(Precision(4, 4), width=0.25, image=64, stem_padding=0)
    pipeline = trace(net, torch.zeros(1, 3, 64, 64), input_range=integers(8, signed=False))
    found = finn_folding(pipeline, Dataflow(device="xczu7ev", folding=target_fps(pipeline, 100), multipliers="dsp"))
    assert list(found) == ["Defaults", *MOBILENET]


@pytest.mark.parametrize(
    ("name", "published"),
    [("cnv-w1a1", CNV), ("cnv-w2a2", CNV), ("tfc-w1a1", [f"MVAU_hls_{at}" for at in range(4)])],
)
def test_the_names_are_those_of_finns_own_files_where_it_merges_thresholds_into_units(
    name: str, published: list[str]
) -> None:
    pipeline, _ = pipeline_of(name, None, None)
    found = finn_folding(pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 100)))
    assert [node for node in found if not node.startswith("Thresholding")] == ["Defaults", *published]


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
