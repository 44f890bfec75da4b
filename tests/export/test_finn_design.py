"""FINN's folding file in: by the names of its nodes, with its defaults, and what we wrote ourselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from hwcost.cli import cli
from hwcost.errors import BadOption
from hwcost.export import finn_design, finn_folding
from hwcost.export.finn_design import is_finn
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, Fold, target_fps
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, const_weight


def traced() -> Pipeline:
    """Two dense units with a depthwise one between them."""
    act = lambda: QuantReLU(const_activation(bits=3))  # noqa: E731 - made anew for each layer
    net = nn.Sequential(
        *(QuantConv2d(4, 8, 3, padding=1, bias=False, weight_quant=const_weight(bits=4)), act()),
        *(QuantConv2d(8, 8, 3, padding=1, groups=8, bias=False, weight_quant=const_weight(bits=4)), act()),
        *(nn.Flatten(), QuantLinear(128, 10, bias=False, weight_quant=const_weight(bits=4))),
    )
    return trace(net, torch.zeros(1, 4, 4, 4), input_bits=8)


@pytest.mark.parametrize(
    "names",
    [
        ("MVAU_hls_{}", "VVAU_hls_{}"),
        ("MatrixVectorActivation_{}", "VectorVectorActivation_{}"),
        ("StreamingFCLayer_Batch_{}", "Vector_Vector_Activate_Batch_{}"),
    ],
)
def test_units_by_the_names_of_every_version(names: tuple[str, str]) -> None:
    dense, depthwise = names
    table = {
        "Defaults": {},
        "Thresholding_rtl_0": {"PE": 1},
        dense.format(1): {"PE": 5, "SIMD": 8, "ram_style": "block", "resType": "dsp"},
        depthwise.format(0): {"PE": 4},
        dense.format(0): {"PE": 2, "SIMD": 6, "ram_style": "auto", "resType": "auto"},
    }
    found = finn_design(table, traced())
    assert is_finn(table)
    assert found.folds == {"0": Fold(2, 6), "2": Fold(4, 1), "5": Fold(5, 8)}
    assert (found.multipliers, found.weight_memory) == ({"5": "dsp"}, {"5": "bram18"})
    assert found.others == ("Thresholding_rtl_0",)


def test_units_of_both_flows_stand_in_the_order_of_the_stream() -> None:
    table: dict[str, Any] = {
        "MVAU_rtl_0": {"PE": 2, "SIMD": 6},
        "VVAU_hls_0": {"PE": 2},
        "MVAU_hls_0": {"PE": 5, "SIMD": 8},
    }
    assert finn_design(table, traced()).folds == {"0": Fold(2, 6), "2": Fold(2, 1), "5": Fold(5, 8)}
    with pytest.raises(
        BadOption, match=r"MVAU_rtl_1: the file has units of MVAU_hls, MVAU_rtl; list them as the stream"
    ):
        finn_design({"MVAU_hls_0": {"PE": 1}, "MVAU_rtl_1": {"PE": 1}}, traced())


def test_defaults_are_those_of_units_without_an_entry() -> None:
    table = {
        "Defaults": {
            "PE": [2, ["all"]],
            "SIMD": [3, ["MVAU_hls", "VVAU_hls"]],
            "ram_style": ["block", ["FMPadding_rtl"]],
        },
        "MVAU_hls_1": {"PE": 5, "SIMD": 8},
    }
    found = finn_design(table, traced())
    assert found.folds == {"0": Fold(2, 3), "2": Fold(2, 3), "5": Fold(5, 8)} and not found.weight_memory
    assert is_finn({"Defaults": {}}) and not is_finn({"Defaults": {}, "conv1": {}})


def test_every_unknown_unit_is_named_at_once() -> None:
    """The misspelt name stands in a file of FINN's own (build_dataflow/folding_config.json)."""
    table: dict[str, Any] = {
        "MVAU_hls_0": {"PE": 2, "SIMD": 6},
        "MVA_hls_3": {"PE": 10, "SIMD": 8},
        "MVAU_hls_7": {"PE": 1, "SIMD": 1},
        "VVAU_hls_0": {"PE": 2.5},
        "conv1": {"PE": 1, "SIMD": 1},
    }
    with pytest.raises(BadOption) as told:
        finn_design(table, traced())
    assert str(told.value).splitlines() == [
        "MVAU_hls_7: the network has units 0 to 1 (0, 5)",
        "MVA_hls_3: no node of FINN; do you mean MVAU_hls_3?",
        "conv1: no node of FINN; give names as FINN's, or those of layers alone",
        "2: PE=2.5, SIMD=1; give whole numbers above 0",
        "5: no entry of the file is this unit, and Defaults give no PE",
    ]
    with pytest.raises(BadOption, match=r"VVAU_hls_0: the network has no unit of this kind"):
        net = nn.Sequential(QuantLinear(4, 2, weight_quant=const_weight(bits=4)))
        finn_design({"VVAU_hls_0": {"PE": 1}}, trace(net, torch.zeros(1, 4), input_bits=4))
    for bad in ({"Defaults": {"PE": 3}}, {"Defaults": 3}):
        with pytest.raises(BadOption, match="Defaults: "):
            finn_design(bad, traced())


def test_what_we_write_comes_back() -> None:
    pipeline = traced()
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 100_000), multipliers="dsp")
    found = finn_design(finn_folding(pipeline, model), pipeline)
    assert dict(found.folds) == dict(model.folding) and set(found.multipliers.values()) == {"dsp"}


def test_the_command_reads_what_it_writes(tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    run = CliRunner().invoke(cli, ["export", "tfc-w1a1", "--to", "finn", "-o", str(file), "--fps", "100000"])
    assert run.exit_code == 0, run.output
    told = [
        json.loads(CliRunner().invoke(cli, ["estimate", "tfc-w1a1", "--json", *options]).stdout)["total"]
        for options in (["--fps", "100000"], ["--folding", str(file)])
    ]
    assert told[0] == told[1]
    file.write_text(json.dumps({"MVAU_hls_0": {"PE": 1, "SIMD": 1}, "MVA_hls_1": {"PE": 1}}))
    run = CliRunner().invoke(cli, ["estimate", "tfc-w1a1", "--folding", str(file)])
    assert run.exit_code == 2 and "MVA_hls_1: no node of FINN; do you mean MVAU_hls_1?" in run.output
