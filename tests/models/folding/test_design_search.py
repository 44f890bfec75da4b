"""The search for a design: options that none beats, and the least interval that fits."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from block_strategies import dense

from hwcost.errors import BadFolding, BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Layer, LayerSpec, Signal, Thresholds
from hwcost.models import AREAS, Dataflow, Fold, Folding, Placed, Setting, place
from hwcost.models.folding.design_search import DesignSearch, _undominated
from hwcost.models.formulas.formula import divisors

SIZES = ((2, 4), (3, 2))
SETTING = Setting("DSP48E2", "search", "rtl", "shared")


def pipeline() -> list[Placed]:
    signal = Signal(range=integers(4, signed=False), shape=(1,))
    layers = []
    for index, (rows, cols) in enumerate(SIZES):
        unit = dense(rows, cols, 2)
        act = Thresholds(channels=rows, vectors=2, input=unit.acc, output=integers(4, signed=False))
        output = Signal(range=act.output, shape=(1,))
        layers.append(
            Layer(name=f"l{index}", kind="t", inputs=(signal,), spec=LayerSpec(output=output, blocks=(unit, act)))
        )
        signal = output
    return list(place(layers))


def search(lut: float, styles: tuple[tuple[str, str], ...] = (("lut", "lutram"),)) -> DesignSearch:
    limits = np.array([lut if area == "LUT" else 1e9 for area in AREAS])
    made = DesignSearch(pipeline(), SETTING, limits, "buy a larger part")
    made.list_units(styles, 8191)
    return made


@cache
def every_folding() -> list[tuple[int, float]]:
    """(interval, LUTs) of all foldings."""
    legal = [[Fold(pe, simd) for pe, simd in product(divisors(rows), divisors(cols))] for rows, cols in SIZES]
    placed, found = pipeline(), []
    for first, second in product(*legal):
        folds = {"l0": first, "l1": second}
        try:
            interval = int(Dataflow(device="ZCU104", folding=folds).price(placed)["cycles"].max())
        except BadFolding:
            continue
        held = Dataflow(device="ZCU104", folding=Folding(folds, interval), weight_memory="lutram")
        found.append((interval, float(held.price(placed)["LUT"].sum())))
    return found


@pytest.mark.parametrize("lut", [150, 300, 320, 420, 520, 2_000])
def test_the_least_interval_that_fits(lut: int) -> None:
    found = search(lut)
    wanted = min((interval for interval, luts in every_folding() if luts <= lut), default=None)
    if wanted is None:
        with pytest.raises(BadFolding, match=r"does not fit, however slow.*LUT.*buy a larger part"):
            found.fastest(100.0)
        return
    design = found.fastest(100.0)
    assert design.folding.interval_cycles == wanted and design.used["LUT"] <= lut and design.optimal
    assert design.fps == 100e6 / wanted


def test_at_a_given_interval_or_the_highest_rate_that_there_is() -> None:
    roomy = search(1e9)
    assert roomy.at(48, 100.0).folding.interval_cycles <= 48
    with pytest.raises(BadFolding, match="takes at least 2 cycles per frame, but 1 are allowed; ask"):
        roomy.at(1, 100.0)


def test_styles_are_chosen_by_layer_where_they_are_short() -> None:
    ways = (("lut", "lutram"), ("dsp", "lutram"))
    design = search(1e9, ways).fastest(100.0)
    assert set(design.multipliers.values()) <= {"lut", "dsp"} and design.multipliers.keys() == {"l0", "l1"}


def test_a_block_without_a_formula_is_named() -> None:
    class Odd(Block):
        """A block that no formula prices."""

    search = DesignSearch([Placed("odd", Odd())], SETTING, np.full(len(AREAS), 1e9), "")
    search.list_units((("lut", "lutram"),), 8191)
    with pytest.raises(BadOption, match="odd: a Odd block has no formula with folds to search; use target_fps"):
        search.fastest(100.0)


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_another_row_beats_are_left_out(seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 4, (12, 3)).astype(float)
    kept = _undominated(rows)
    for at, row in enumerate(rows):
        beaten = any((other <= row).all() and (other < row).any() for other in rows)
        twin = any((rows[before] == row).all() for before in range(at))
        assert (at in kept) == (not beaten and not twin)
