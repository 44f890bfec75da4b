"""Handshakes run upstream through units, and end at FIFOs and at windows that count."""

from __future__ import annotations

from itertools import pairwise

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Adder, Block, Link, Saturate, Window
from hwcost.models.formulas.formula import Adapter, Fold, Job
from hwcost.models.timing.delays import families
from hwcost.models.timing.handshake import MOVED, Handshakes
from hwcost.models.timing.paths import room

FOUND = families()["MULT18X18D"]
WIRE = integers(4, signed=False)


def clip() -> Saturate:
    return Saturate(channels=8, vectors=4, input=WIRE, output=WIRE)


def job(block: Block, fold: Fold | None = None) -> Job:
    return Job(layer="unit", block=block, fold=Fold(1, 1) if fold is None else fold)


def link(source: Block, sink: Block, depth: int = 0, consumed: int = 1) -> Job:
    wire = Link(source=source, sink=sink, wire=WIRE)
    return Job(layer="unit", block=wire, adapter=Adapter(produced=1, consumed=consumed, depth=depth))


def levels(jobs: list[Job], block: Block) -> float:
    return float(Handshakes(jobs, FOUND).behind(block).levels)


def test_each_unit_and_each_converter_behind_adds_a_level() -> None:
    first, second, third = clip(), clip(), clip()
    units = [job(first), job(second), job(third)]
    assert levels([*units, link(first, second), link(second, third)], first) == 2
    assert levels([*units, link(first, second, consumed=2), link(second, third)], first) == 3
    assert levels(units, third) == 0


def test_a_fifo_knows_by_itself() -> None:
    blocks = [clip() for _ in range(6)]
    chain = [link(a, b) for a, b in pairwise(blocks)]
    chain[0] = link(blocks[0], blocks[1], depth=2)
    assert levels([*map(job, blocks), *chain], blocks[0]) == 1
    assert levels([*map(job, blocks), *chain], blocks[1]) == 4


def test_copies_ask_all_readers_and_wait_for_the_slowest() -> None:
    first, left, right, joined = (
        clip(),
        clip(),
        clip(),
        Adder(channels=8, vectors=4, left=WIRE, right=WIRE, output=WIRE),
    )
    jobs = [job(first), job(left), job(right), job(joined), link(first, left), link(first, joined)]
    assert levels([*jobs, link(left, right), link(right, joined)], first) == 3 + 1


def test_a_window_that_is_read_word_by_word_knows_by_its_counters() -> None:
    pads = ((1, 1), (1, 1))
    block = Window(channels=8, image=(8, 8), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=pads,
                   output=(8, 8), input=WIRE)  # fmt: skip
    first, last = clip(), clip()
    serial = [job(first), job(block, Fold(simd=1)), job(last), link(first, block), link(block, last)]
    whole = [job(first), job(block, Fold(simd=8, parallel_window=True)), *serial[2:]]
    assert Handshakes(serial, FOUND).behind(first) == room(serial[1])
    assert levels(whole, first) == 2
    assert Handshakes(serial, FOUND).moving(serial[0]).levels == room(serial[1]).levels + MOVED
