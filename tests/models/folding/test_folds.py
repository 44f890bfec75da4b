"""Foldings, the names of their units, and blocks that keep up with them."""

from __future__ import annotations

import pytest
from block_strategies import dense

from hwcost.errors import BadFolding
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Thresholds
from hwcost.models import Dataflow, Fold, Folding, Placed
from hwcost.models.folding.folds import keep_up, unit_names
from hwcost.models.formulas.thresholds import ThresholdsFormula

SLOW = Thresholds(channels=12, vectors=5, input=integers(8, signed=True), output=integers(2, signed=False))


def test_a_block_that_cannot_keep_up_is_named() -> None:
    slow = Thresholds(channels=4, vectors=50, input=integers(8, signed=True), output=integers(2, signed=False))
    items = [Placed("fc", dense(4, 8)), Placed("act", slow)]
    with pytest.raises(BadFolding, match="act: Thresholds takes 50 cycles per frame at best, above the interval of 1"):
        Dataflow(device="xc7z020", folding=Folding({"fc": Fold(4, 8)}, 1)).price(items)
    assert Dataflow(device="xc7z020", folding={"fc": Fold(4, 8)}).price(items)["cycles"].tolist() == [1.0, 50.0]


def test_units_of_one_layer_have_numbered_names() -> None:
    items = [Placed("head", dense(4, 8)), Placed("head", dense(4, 8))]
    model = Dataflow(device="xc7z020", folding={"head[0]": Fold(1, 1), "head[1]": Fold(4, 8)})
    assert model.price(items)["cycles"].tolist() == [32.0, 1.0]


def test_a_folding_is_a_mapping_with_an_interval() -> None:
    folding = Folding({"a": Fold(2, 3), "b": Fold(1, 4)}, 12)
    assert dict(folding) == {"a": Fold(2, 3), "b": Fold(1, 4)} and len(folding) == 2
    assert Dataflow(device="xc7z020", folding=folding).folding is folding


def test_names_count_the_units_of_a_layer_alone() -> None:
    placed = [Placed("a", dense(2, 2)), Placed("b", dense(2, 2)), Placed("a", SLOW), Placed("a", dense(4, 2))]
    assert unit_names(placed) == {0: "a[0]", 1: "b", 3: "a[1]"}


@pytest.mark.parametrize(
    ("interval", "pe"), [(None, 1), (60, 1), (59, 2), (30, 2), (20, 3), (15, 4), (14, 6), (5, 12), (9, 12)]
)
def test_the_least_parallelism_that_keeps_an_interval(interval: int | None, pe: int) -> None:
    assert keep_up("act", SLOW, ThresholdsFormula(), interval) == Fold(pe=pe)
