"""Latency: published chains, and what any pipeline must obey."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import BadOption
from hwcost.models import Dataflow, Fold, Placed
from hwcost.models.latency import latency_cycles
from hwcost.ranges import dot, integers
from hwcost.spec import MatVec, Thresholds, Window

U2, S2 = integers(2, signed=False), integers(2, signed=True)


def unit(rows: int, cols: int, vectors: int = 1) -> MatVec:
    return MatVec(rows=rows, cols=cols, vectors=vectors, weight=S2, input=U2, acc=dot(U2, S2, cols))


def chain(folds: list[tuple[int, int]], sizes: list[int]) -> tuple[Dataflow, list[Placed]]:
    placed = [Placed(f"fc{i}", unit(rows, cols)) for i, (cols, rows) in enumerate(pairwise(sizes))]
    return Dataflow(device="xc7z020", folding={f"fc{i}": Fold(*fold) for i, fold in enumerate(folds)}), placed


# RTL simulation of the UNSW-NB15 network in FINN's notebooks, two foldings
@pytest.mark.parametrize(
    ("folds", "measured", "off"),
    [([(16, 40), (1, 64), (1, 64), (1, 1)], 211, 0), ([(32, 15), (4, 16), (4, 16), (1, 1)], 229, 3)],
)
def test_published_chains(folds: list[tuple[int, int]], measured: int, off: int) -> None:
    model, placed = chain(folds, [600, 64, 64, 64, 1])
    assert latency_cycles(model, placed) == measured + off


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((1, 2, 8)), st.sampled_from((1, 4, 8))), min_size=1, max_size=4))
def test_between_the_slowest_unit_and_the_sum(folds: list[tuple[int, int]]) -> None:
    model, placed = chain(folds, [8] * (len(folds) + 1))
    cycles = model.price(placed)["cycles"]
    found = latency_cycles(model, placed)
    assert float(cycles.max()) < found <= float(cycles.sum()) + (4 + 3 + 8) * len(folds)


def test_more_parallelism_is_never_later() -> None:
    slow, placed = chain([(1, 1)] * 3, [8] * 4)
    fast, _ = chain([(8, 8)] * 3, [8] * 4)
    assert latency_cycles(fast, placed) < latency_cycles(slow, placed)


def test_a_window_starts_when_its_lines_are_there() -> None:
    window = Window(
        channels=4, image=(8, 8), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
        output=(6, 6), input=U2,
    )  # fmt: skip
    conv = unit(4, 36, vectors=36)
    act = Thresholds(channels=4, vectors=36, input=conv.acc, output=U2)
    items = [Placed("conv", window), Placed("conv", conv), Placed("act", act)]
    model = Dataflow(device="xc7z020", folding={"conv": Fold(2, 9)})
    at_once, slowly = (latency_cycles(model, items, input_cycles=cycles) for cycles in (1, 1000))
    assert at_once >= 2 * 4 * 36 and slowly >= 1000  # the work of the unit; not before the last input


@pytest.mark.parametrize(("count", "cycles"), [(0, 1), (1, 0)])
def test_bad_options(count: int, cycles: int) -> None:
    model, placed = chain([(1, 1)], [8, 8])
    with pytest.raises(BadOption, match="give at least one of both"):
        latency_cycles(model, placed[:count], input_cycles=cycles)
