"""Folding: legal, fast enough, and the cheapest there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from block_strategies import dense
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import BadFolding, BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Layer, LayerSpec, MatVec, Signal, Thresholds
from hwcost.models import Dataflow, Fold, Folding, Placed, place, target_fps
from hwcost.models.formulas.matvec import MatVecFormula, fault


class Chain:
    """Layers by hand: all that `target_fps` asks of a pipeline."""

    def __init__(self, *groups: Sequence[Block]) -> None:
        signal, self._layers = Signal(range=integers(4, signed=False), shape=(1,)), []
        for i, blocks in enumerate(groups):
            output = Signal(range=integers(2, signed=False), shape=(1,))
            spec = LayerSpec(output=output, blocks=tuple(blocks))
            self._layers.append(Layer(name=f"l{i}", kind="test", inputs=(signal,), spec=spec))
            signal = output

    def layers(self) -> Sequence[Layer]:
        return self._layers


def unit(rows: int, cols: int, vectors: int = 1) -> list[Block]:
    block = dense(rows, cols, vectors)
    return [block, Thresholds(channels=rows, vectors=vectors, input=block.acc, output=integers(2, signed=False))]


SMALL = st.tuples(st.sampled_from((2, 4, 6)), st.sampled_from((2, 4, 6)), st.integers(1, 2))
SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 3))


def total_lut(chain: Chain, folds: Mapping[str, Fold], interval: int) -> float:
    model = Dataflow(device="xc7z020", folding=Folding(folds, interval))
    return float(model.price(place(chain.layers()))["LUT"].sum())


def fast_folds(size: tuple[int, int, int], interval: int) -> list[Fold]:
    rows, cols, vectors = size
    every = [Fold(pe, simd) for pe in range(1, rows + 1) for simd in range(1, cols + 1)]
    legal = [fold for fold in every if rows % fold.pe == 0 and cols % fold.simd == 0]
    return [fold for fold in legal if (rows // fold.pe) * (cols // fold.simd) * vectors <= interval]


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(6, 3000))
def test_no_other_fold_of_a_unit_is_cheaper(sizes: list[tuple[int, int, int]], interval: int) -> None:
    chain = Chain(*(unit(*size) for size in sizes))
    rate = 100e6 / (interval + 0.5)
    try:
        folding = target_fps(chain, rate)
    except BadFolding:
        assert any(vectors > interval for _, _, vectors in sizes)
        return
    assert folding.interval_cycles == interval
    bill = Dataflow(device="xc7z020", folding=folding).price(place(chain.layers()))
    assert float(bill["cycles"].max()) <= interval
    found = float(bill["LUT"].sum())
    for index, size in enumerate(sizes):
        for fold in fast_folds(size, interval):
            assert found <= total_lut(chain, {**folding.folds, f"l{index}": fold}, interval)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from((2, 4, 6))] * 2, st.integers(1, 2)), min_size=2, max_size=2),
    st.integers(6, 60),
)
def test_cheapest_of_all_combinations(sizes: list[tuple[int, int, int]], interval: int) -> None:
    chain = Chain(*(unit(*size) for size in sizes))
    folding = target_fps(chain, 100e6 / (interval + 0.5))
    combinations = product(*(fast_folds(size, interval) for size in sizes))
    best = min(total_lut(chain, {"l0": first, "l1": second}, interval) for first, second in combinations)
    assert total_lut(chain, folding, interval) == best


def test_too_fast_names_the_layer_and_the_best_rate() -> None:
    chain = Chain(unit(4, 8), unit(4, 8, vectors=1000))
    with pytest.raises(BadFolding, match=r"l1: MatVec takes 1000 cycles per frame at best, that is 100,000 frames/s"):
        target_fps(chain, 200_000)


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": 10, "clock_mhz": -1}, {"fps": 10, "multipliers": "abc"}])
def test_bad_options(options: dict[str, float]) -> None:
    with pytest.raises(BadOption):
        target_fps(Chain(unit(4, 8)), **options)  # type: ignore[arg-type] # wrong on purpose


def test_wide_streams_are_illegal() -> None:
    block = dense(1024, 1024)
    assert fault(block, Fold(64, 32)) == "PE=64, SIMD=32: the weight stream is 8192 bits wide, above 8191"
    assert fault(block, Fold(64, 16)) is None


def grouped(rows: int, cols: int, groups: int) -> MatVec:
    single = dense(rows, cols)
    return MatVec(rows=rows, cols=cols, groups=groups, weight=single.weight, input=single.input, acc=single.acc)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6))
def test_every_fold_offered_is_legal_and_none_is_left_out(rows: int, cols: int, groups: int) -> None:
    block = grouped(rows, cols, groups)
    offered = set(MatVecFormula().folds(block))
    for pe in range(1, rows * groups + 2):
        for simd in range(1, cols + 2):
            legal = (rows * groups) % pe == 0 and cols % simd == 0 and (rows % pe == 0 or pe % rows == 0)
            legal = legal and (groups == 1 or simd == 1 or pe == rows * groups)
            assert (Fold(pe, simd) in offered) == legal


def test_depthwise_cycles() -> None:
    formula = MatVecFormula()
    assert formula.cycles(grouped(1, 9, 32), Fold(8, 1)) == 9 * 4
    assert formula.cycles(grouped(1, 9, 32), Fold(32, 9)) == 1


def test_a_block_that_cannot_keep_up_is_named() -> None:
    slow = Thresholds(channels=4, vectors=50, input=integers(8, signed=True), output=integers(2, signed=False))
    items = [Placed("fc", dense(4, 8)), Placed("act", slow)]
    with pytest.raises(BadFolding, match="act: Thresholds takes 50 cycles per frame at best, above the interval of 1"):
        Dataflow(device="xc7z020", folding={"fc": Fold(4, 8)}).price(items)
