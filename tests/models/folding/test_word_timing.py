"""Arrival of the words of a frame, counted by hand."""

from __future__ import annotations

from block_strategies import dense

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    MatVec,
    Pool,
    Thresholds,
    Window,
)
from hwcost.models import Fold, Job
from hwcost.models.folding.word_timing import CONVERTER_CYCLES, SOURCE, UNIT_CYCLES, Stream, joined, lanes, through

UNIT = Job("fc", dense(4, 8), Fold(2, 4))  # two words of four in, two of two out
ELEMENT = integers(4, signed=False)


def window(**fold: int | bool) -> Job:
    block = Window(
        channels=4, image=(4, 4), kernel=(2, 2), stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
        output=(3, 3), input=ELEMENT,
    )  # fmt: skip
    return Job("win", block, Fold(**fold))  # type: ignore[arg-type] # numbers and a flag


def test_streams_that_meet_wait_for_the_last() -> None:
    assert joined([]) == SOURCE
    assert joined([Stream(1, 9, 4), Stream(3, 5, 4)]) == Stream(3, 9, 4)
    assert joined([Stream(1, 9, 4), Stream(3, 5, 2)]).lanes is None


def test_a_unit_begins_to_give_when_its_first_vector_is_there() -> None:
    """The second word comes in cycle 1; two folds of two words are worked through by cycle 3."""
    assert through(Stream(0, 1, 4), UNIT, 4, 9) == Stream(1 + UNIT_CYCLES, 3 + UNIT_CYCLES, 2)
    late = through(Stream(0, 10, 4), UNIT, 4, 9)
    assert late == Stream(10 + UNIT_CYCLES, 12 + UNIT_CYCLES, 2)
    assert through(Stream(0, 10, 8), UNIT, 4, 9) == Stream(late.first, late.last + CONVERTER_CYCLES, 2)


def test_a_window_waits_for_a_line_and_two_pixels() -> None:
    """6 of 16 pixels, two words each, and the last window is shown after the last word."""
    assert through(Stream(0, 31, 2), window(simd=2), 32, 1) == Stream(12 + 1, 31 + 4 * 2 + 1, 2)
    assert through(Stream(0, 31, 2), window(simd=2), 100, 1).last == 99 + 1
    assert through(Stream(0, 31, 2), window(simd=2, parallel_window=True), 32, 1) == Stream(13, 32, 8)


def test_a_block_without_a_fold_takes_its_cycles() -> None:
    job = Job("odd", dense(4, 8))
    assert through(Stream(2, 5, 4), job, 10, 3) == Stream(2 + 3, 11 + 3, None)
    assert through(Stream(2, 50, 4), job, 10, 3).last == 50 + 3


def test_lanes() -> None:
    assert lanes(UNIT) == (4, 2)
    deep = MatVec(rows=1, cols=9, groups=8, weight=ELEMENT, input=ELEMENT, acc=ELEMENT)
    assert lanes(Job("dw", deep, Fold(4, 1))) == (4, 4)  # each output has an input of its own
    assert lanes(window(simd=2)) == (2, 2) and lanes(window(simd=4, parallel_window=True)) == (4, 16)
    pool = Pool(kind="max", channels=4, kernel=(2, 2), vectors=9, input=ELEMENT, output=ELEMENT)
    assert lanes(Job("pool", pool, Fold(4, 4))) == (16, 4)
    act = Thresholds(channels=4, vectors=1, input=ELEMENT, output=ELEMENT)
    assert lanes(Job("act", act, Fold(2))) == (2, 2)


def test_a_pool_gives_when_its_window_is_there() -> None:
    """Of four elements one by one, the last comes in cycle 3; all at once, as fast as the words come."""
    pool = Pool(kind="max", channels=4, kernel=(2, 2), vectors=8, input=ELEMENT, output=ELEMENT)
    assert through(Stream(0, 8, 4), Job("pool", pool, Fold(4, 1)), 32, 1) == Stream(3 + 1, 31 + 1, 4)
    assert through(Stream(0, 8, 16), Job("pool", pool, Fold(4, 4)), 8, 1) == Stream(1 + 1, 8 + 1, 4)
