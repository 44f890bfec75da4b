"""Thresholds as they are built: the code that they count is that of the comparators, whatever the signs and gains."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from random import Random

import torch
from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.thresholds import build, steps_of
from hwcost.graph.ranges import Range, binary, integers
from hwcost.graph.spec import Thresholds
from hwcost.integer.operations import Comparators
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.formulas.stages import OPERANDS
from hwcost.synth.threshold_tables import Steps


@pytest.mark.parametrize("gain", [1, 2])
@pytest.mark.parametrize(
    "output",
    [integers(3, signed=False), integers(3, signed=True), integers(3, signed=True, narrow=True), binary()],
    ids=["unsigned", "signed", "narrow", "bipolar"],
)
def test_the_count_is_the_code_of_every_integer(output: Range, gain: int) -> None:
    generator = torch.Generator().manual_seed(3)
    low, high = int(output.low), int(output.high)
    levels = 1 if output.bipolar else high - low
    thresholds = torch.randint(-30, 30, (6, levels), generator=generator).sort(1).values
    found = Comparators(
        thresholds=thresholds, sign=torch.tensor([1, -1] * 3), lowest=torch.full((6,), low),
        gap=2 if output.bipolar else 1,
    )  # fmt: skip
    offset = torch.tensor([0, 3, -5, 1, 0, 2])
    built = steps_of(found, -16, 15, output, gain, offset)
    assert bool((built.steps.diff(dim=1) >= 0).all()) and built.steps.shape == (6, 2**built.bits - 1)
    codes = torch.arange(-16, 16)
    wanted = found(gain * codes[:, None] + offset)
    count = (codes[:, None, None] >= built.steps).sum(-1)
    count = torch.where(built.falls, 2**built.bits - 1 - count, count)
    made = 2 * count - 1 if output.bipolar else count - (2 ** (built.bits - 1) if output.signed else 0)
    assert torch.equal(made, wanted)


def counted(channels: int, pe: int, bits: int, cuts: tuple[int, ...], structure: str) -> tuple[list[int], list[int]]:
    """Codes of a vector from the RTL, and what they should be; every other channel falls."""
    wire, output = integers(6, signed=True), integers(bits, signed=False)
    draw = torch.Generator().manual_seed(5)
    steps = torch.randint(-32, 32, (channels, 2**bits - 1), generator=draw).sort(1).values
    falls = torch.arange(channels) % 3 == 0
    block = Thresholds(channels=channels, vectors=1, input=wire, output=output)
    job = Job(layer="act", block=block, fold=Fold(pe), cuts=cuts)
    frame = build(job, Steps(steps, falls, bits), wire, Setting("DSP48E2", structure, "rtl", "shared"))
    values = torch.randint(-32, 32, (channels,), generator=draw)
    count = (values[:, None] >= steps).sum(1)
    wanted = torch.where(falls, 2**bits - 1 - count, count).tolist()
    (source,), (sink,) = frame.entering, frame.leaving
    found: list[int] = []

    async def look(context: SimulatorContext) -> None:
        sent, random = 0, Random(1)
        while len(found) < channels:
            word = values[sent * pe : (sent + 1) * pe].tolist() if sent * pe < channels else [0] * pe
            context.set(source.data, sum((value & 63) << (6 * lane) for lane, value in enumerate(word)))
            context.set(source.valid, sent * pe < channels and random.random() < 0.7)
            context.set(sink.ready, random.random() < 0.7)
            if context.get(sink.valid) and context.get(sink.ready):
                data = context.get(sink.data)
                found.extend(data >> (bits * lane) & (2**bits - 1) for lane in range(pe))
            sent += context.get(source.valid) and context.get(source.ready)
            await context.tick()

    simulator = Simulator(frame.circuit.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(look)
    simulator.run()
    return found, wanted


@pytest.mark.parametrize("structure", ["search", "parallel"])
@pytest.mark.parametrize("cuts", [(), (OPERANDS,)])
@pytest.mark.parametrize(("channels", "pe"), [(8, 2), (4, 4), (70, 1)])
def test_codes_of_channels_that_rise_and_fall(structure: str, cuts: tuple[int, ...], channels: int, pe: int) -> None:
    found, wanted = counted(channels, pe, 2, cuts, structure)
    assert found == wanted
