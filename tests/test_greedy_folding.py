"""FINN's greedy folding by hand, and ours against it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from greedy_folding import set_folding
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import BadOption
from hwcost.graph.ranges import dot, integers
from hwcost.graph.spec import Layer, LayerSpec, MatVec, Signal
from hwcost.models import Dataflow, Fold, Placed, place, target_fps
from hwcost.models.folding.folds import Folding
from hwcost.models.formulas.matvec import MatVecFormula

U4 = integers(4, signed=False)
S4 = integers(4, signed=True)


class Units:
    """Layers of one unit each."""

    def __init__(self, *sizes: tuple[int, int, int]) -> None:
        signal = Signal(range=U4, shape=(1,))
        self.blocks = [
            MatVec(rows=rows, cols=cols, groups=groups, weight=S4, input=U4, acc=dot(U4, S4, cols))
            for rows, cols, groups in sizes
        ]
        self._layers = [
            Layer(name=f"l{i}", kind="test", inputs=(), spec=LayerSpec(output=signal, blocks=(block,)))
            for i, block in enumerate(self.blocks)
        ]

    def layers(self) -> Sequence[Layer]:
        return self._layers


def test_simd_first_then_pe_until_below_the_target() -> None:
    # 16 x 12 of 4 bits: 192 cycles; SIMD 1, 2, 3, 4, 6 (9 would be too wide a word anyway), then PE
    assert set_folding(Units((16, 12, 1)), 50) == {"l0": Fold(1, 4)}  # 48
    assert set_folding(Units((16, 12, 1)), 48) == {"l0": Fold(1, 6)}  # 32: below, not equal
    assert set_folding(Units((16, 24, 1)), 20) == {"l0": Fold(4, 8)}  # 12 is wider than 36 bits; 48 / 4 = 12


def test_depthwise_takes_all_channels_before_simd() -> None:
    assert set_folding(Units((1, 9, 8)), 10) == {"l0": Fold(8, 1)}  # 9
    assert set_folding(Units((1, 9, 8)), 5) == {"l0": Fold(8, 3)}  # 3


def test_others_relax_to_what_the_slowest_reaches() -> None:
    folds = set_folding(Units((1, 400, 1), (16, 16, 1)), 10)
    assert folds["l0"] == Fold(1, 8)  # 50 cycles is the best of a 36-bit word
    assert folds["l1"] == Fold(1, 8)  # 32, below 50


def test_bad_target() -> None:
    with pytest.raises(BadOption, match="target_cycles=0"):
        set_folding(Units((4, 4, 1)), 0)


SIZES = st.tuples(st.sampled_from((1, 4, 10, 16)), st.sampled_from((8, 12, 27, 64)), st.just(1))


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(2, 500))
def test_ours_never_takes_more_luts(sizes: list[tuple[int, int, int]], target: int) -> None:
    units = Units(*sizes)
    greedy = set_folding(units, target)
    formula = MatVecFormula()
    interval = max(formula.cycles(block, greedy[f"l{i}"]) for i, block in enumerate(units.blocks))
    ours = target_fps(units, 100e6 / (interval + 0.5))
    placed: list[Placed] = place(units.layers())
    lut = [
        float(Dataflow(device="U250", folding=folding).price(placed)["LUT"].sum())
        for folding in (ours, Folding(greedy, interval))
    ]
    assert lut[0] <= lut[1]
