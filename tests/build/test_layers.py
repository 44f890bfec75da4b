"""Every kind of block in a pipeline: its codes are those of the integer network, under random pauses."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch
from accelerated import NETWORKS, built, folded, priced, traced
from torch import nn

from hwcost.build.golden import drawn, golden
from hwcost.build.simulation import Pauses, patience, simulate
from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import integers
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    binary_weight,
    const_weight,
)


def same(name: str, cycles: float, frames: int, **styles: object) -> None:
    pipeline = traced(name)
    model = folded(pipeline, cycles, **styles)
    made = built(pipeline, model)
    frames_ = golden(made, drawn(made, frames))
    seen = simulate(made, frames_, Pauses(60, 60), patience(priced(pipeline, model).latency_cycles))
    assert seen.words == frames * made.words[1] > 0


@pytest.mark.parametrize("name", ["dense", "label", "narrow"])
def test_dense_networks(name: str) -> None:
    same(name, 40, 4)


@pytest.mark.parametrize("registers", [1, 2])
def test_registers_change_no_code_and_no_pace_and_delay_as_priced(registers: int) -> None:
    pipeline = traced("dense")
    models = [folded(pipeline, 40, pipelining=count) for count in (0, registers)]
    without, cut = (priced(pipeline, model) for model in models)
    made = built(pipeline, models[1])
    frames = golden(made, drawn(made, 3))
    for pauses in (Pauses(), Pauses(60, 60)):
        seen = simulate(made, frames, pauses, patience(cut.latency_cycles))
        assert seen.words == 3 * made.words[1]
        if pauses == Pauses():
            assert (seen.interval_cycles, seen.latency_cycles) == (cut.interval_cycles, cut.latency_cycles)
    cuts = {node.name: len(node.job.cuts) for node in made.layout.nodes}
    assert [cuts[name] for name in cuts if name.endswith("matvec")] == [registers] * 2
    stages = 2 * registers + sum(2 for name in cuts if name.endswith("thresholds"))  # a register for each of two bits
    assert (cut.interval_cycles, cut.latency_cycles) == (without.interval_cycles, without.latency_cycles + stages)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cycles"), [("residual", 150), ("bipolar", 30), ("depthwise", 110)])
def test_registers_everywhere(name: str, cycles: int) -> None:
    same(name, cycles, 2, pipelining=9)


@pytest.mark.slow
def test_registers_around_slices() -> None:
    same("residual", 150, 2, multipliers="dsp", pipelining=2)


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [110, 400])
@pytest.mark.parametrize("name", [name for name in NETWORKS if len(NETWORKS[name][1]) > 1])
def test_images(name: str, cycles: int) -> None:
    same(name, cycles, 3)


@pytest.mark.slow
@pytest.mark.parametrize("thresholds", ["search", "parallel"])
@pytest.mark.parametrize("memory", ["lutram", "bram18"])
@pytest.mark.parametrize("banks", ["shared", "per_pe"])
def test_styles(thresholds: str, memory: str, banks: str) -> None:
    same("residual", 150, 2, thresholds=thresholds, weight_memory=memory, weight_banks=banks)


@pytest.mark.slow
def test_products_in_slices() -> None:
    same("residual", 150, 2, multipliers="dsp")


def test_ones_of_bipolar_operands_are_counted() -> None:
    torch.manual_seed(2)
    signs = [BinaryQuantizer(scale=ConstScale(1.0), clipped=True) for _ in range(2)]
    norm = nn.BatchNorm1d(6)
    nn.init.uniform_(norm.weight, -1, 1)
    net = nn.Sequential(
        QuantIdentity(signs[0]), QuantLinear(8, 6, bias=False, weight_quant=binary_weight()), norm,
        QuantIdentity(signs[1]), QuantLinear(6, 3, bias=False, weight_quant=binary_weight(per_channel=False)),
    )  # fmt: skip
    pipeline = trace(net.eval(), torch.zeros(1, 8), input_range=integers(4, signed=True))
    model = folded(pipeline, 30)
    made = built(pipeline, model)
    frames = golden(made, drawn(made, 5))
    assert simulate(made, frames, Pauses(70, 70), 1000).words == len(frames.wanted)


def test_groups_side_by_side_that_no_window_gives_are_refused() -> None:
    conv = QuantConv2d(4, 4, 3, groups=2, bias=False, weight_quant=const_weight(bits=3))
    pipeline = trace(nn.Sequential(conv), torch.zeros(1, 4, 6, 6), input_range=integers(3, signed=False))
    with pytest.raises(UnknownOperation, match="words of 4 channels hold several groups of 2"):
        built(pipeline, Dataflow(device="xczu7ev", folding={"0": Fold(4, 1)}))
