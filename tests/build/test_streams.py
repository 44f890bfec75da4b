"""Poolings with reversed channels, and joins of streams of several sizes, word by word."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch
from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.frame import Frame
from hwcost.build.streams import concat, pool
from hwcost.graph import spec
from hwcost.graph.ranges import integers
from hwcost.models.formulas.formula import Fold, Job

WIRE = integers(4, signed=True)


def streamed(frame: Frame, words: list[list[int]], wanted: int) -> list[int]:
    """What leaves when each stream that enters has these words ready."""
    seen: list[int] = []

    async def run(context: SimulatorContext) -> None:
        sent = [0] * len(words)
        context.set(frame.leaving[0].ready, 1)
        for _ in range(1000):
            for place, port in enumerate(frame.entering):
                context.set(port.valid, sent[place] < len(words[place]))
                if sent[place] < len(words[place]):
                    context.set(port.data, words[place][sent[place]])
            if context.get(frame.leaving[0].valid):
                seen.append(context.get(frame.leaving[0].data))
            for place, port in enumerate(frame.entering):
                sent[place] += bool(context.get(port.ready) and sent[place] < len(words[place]))
            if len(seen) == wanted:
                return
            await context.tick()

    simulator = Simulator(frame.circuit.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    return seen


@pytest.mark.parametrize("pe", [1, 2, 4])
def test_a_channel_whose_values_fall_gives_its_smallest_integer(pe: int) -> None:
    block = spec.Pool(kind="max", channels=4, kernel=(2, 2), vectors=3, input=WIRE, output=WIRE)
    signs = torch.tensor([1, -1, -1, 1])
    frame = pool(Job("pool", block, Fold(pe=pe)), signs)
    x = torch.randint(
        -8, 8, (3, 4 // pe, 4, pe), generator=torch.Generator().manual_seed(1)
    )  # window, turn, pixel, lane
    entering = [sum((int(v) & 15) << (4 * lane) for lane, v in enumerate(row)) for row in x.flatten(0, 2)]
    best = (x * signs.reshape(4 // pe, 1, pe)).amax(2) * signs.reshape(4 // pe, pe)
    leaving = [sum((int(v) & 15) << (4 * lane) for lane, v in enumerate(row)) for row in best.flatten(0, 1)]
    assert streamed(frame, [entering], len(leaving)) == leaving


def test_streams_of_several_sizes_are_joined_pixel_by_pixel() -> None:
    block = spec.Concat(streams=(4, 2, 2), vectors=2, output=WIRE)
    frame = concat(Job("join", block, Fold(pe=2)), [WIRE] * 3)
    assert streamed(frame, [[1, 2, 3, 4], [5, 6], [7, 8]], 8) == [1, 2, 5, 7, 3, 4, 6, 8]
