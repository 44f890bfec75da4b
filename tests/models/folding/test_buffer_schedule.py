"""Cycles of blocks that buffer or pad: as many words as they give, none before it can be, at full speed."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from hwcost.graph.blocks import ChannelSum, Pad, Reorder, Repeat
from hwcost.graph.ranges import integers
from hwcost.models.folding.buffer_schedule import Buffering, buffered, entering_elements
from hwcost.models.formulas.formula import Fold, Job

WIRE = integers(4, signed=False)
FRAMES = 2

BLOCKS: dict[str, tuple[Buffering, int]] = {
    "repeat": (Repeat(channels=4, image=(3, 5), factors=(2, 2), input=WIRE), 4 * 15 * 4),
    "repeat a pixel": (Repeat(channels=4, image=(1, 1), factors=(3, 5), input=WIRE), 4 * 15),
    "reorder": (Reorder(channels=2, vectors=64, held=32, lanes=2, input=WIRE), 128),
    "pad": (Pad(sides=(4, 3, 5), pads=((0, 0), (1, 1), (2, 0)), input=WIRE, output=WIRE), 4 * 5 * 7),
    "crop": (Pad(sides=(4, 3, 5), pads=((-2, 0), (0, -1), (0, 0)), input=WIRE, output=WIRE), 2 * 2 * 5),
    "sum": (ChannelSum(channels=4, vectors=15, input=WIRE, output=WIRE), 4),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("pe", [1, 2])
@pytest.mark.parametrize("pause", [1, 7])
def test_words_leave_in_order_and_none_is_lost(name: str, pe: int, pause: int) -> None:
    block, leaving = BLOCKS[name]
    job = Job(layer="layer", block=block, fold=Fold(pe=pe))
    entering = entering_elements(block) // pe * FRAMES
    taken, ready = buffered(job, block, np.arange(entering) * pause, FRAMES)
    assert len(taken) == entering and len(ready) == leaving // pe * FRAMES
    assert (np.diff(taken) > 0).all() and (np.diff(ready) > 0).all()
    assert (taken >= np.arange(entering) * pause).all()


def test_a_buffer_is_read_when_its_half_is_full_and_written_meanwhile() -> None:
    block = Reorder(channels=1, vectors=12, held=4, lanes=1, input=WIRE)
    taken, ready = buffered(Job(layer="layer", block=block, fold=Fold()), block, np.arange(24), FRAMES)
    assert taken.tolist() == list(range(24)) and ready.tolist() == list(range(5, 29))


def test_a_sum_leaves_with_the_last_pixel() -> None:
    block = ChannelSum(channels=2, vectors=3, input=WIRE, output=WIRE)
    _, ready = buffered(Job(layer="layer", block=block, fold=Fold()), block, np.arange(12), FRAMES)
    assert ready.tolist() == [5, 6, 11, 12]


def test_zeros_leave_while_nothing_enters() -> None:
    block = Pad(sides=(1, 3), pads=((0, 0), (2, 1)), input=WIRE, output=WIRE)
    taken, ready = buffered(Job(layer="layer", block=block, fold=Fold()), block, np.zeros(6, dtype=np.int64), FRAMES)
    assert taken.tolist() == [2, 3, 4, 8, 9, 10] and len(ready) == FRAMES * prod(block.span)
