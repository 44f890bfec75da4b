"""Prices of the units of a corpus, by the laws that price a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcost.errors import BadData
from hwcost.graph.spec import MatVec
from hwcost.models import Dataflow, Fold, Placed
from hwcost.models.calibration.corpus import Unit, read, wire
from hwcost.models.calibration.unit_prices import ARITHMETIC, PRICES, block_of, group_of, price
from hwcost.models.formulas.coefficients import values

CORPUS = Path(__file__).parents[3] / "reports" / "calibration" / "corpus.csv"


def test_a_corpus_is_priced_as_a_network_is() -> None:
    unit = Unit(kind="matvec", weight="INT4", input="UINT3", output="INT14", pe=3, simd=8, structure="lut")
    block = MatVec(rows=3, cols=8, weight=wire("INT4"), input=wire("UINT3"), acc=wire("INT14"))
    parts = Dataflow(device="xczu3eg", folding={"u": Fold(3, 8)}).parts([Placed("u", block)])[0]
    wanted = sum(parts[name] for name in ARITHMETIC)
    assert price(unit, "xcup", values("rtl"))["LUT"] == wanted


def test_every_kind_of_the_shipped_corpus_has_a_price() -> None:
    first = {row.unit.kind: row for row in read(CORPUS)}
    assert set(first) == set(PRICES)
    for kind, row in first.items():
        found = price(row.unit, row.family, values("rtl"))
        assert found and all(float(amount) >= 0 for amount in found.values()), kind


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="constant", input="UINT4", output="INT8"),
        Unit(kind="memory", structure="ram", geometry="64"),
        Unit(kind="memory", structure="tape", geometry="64x8"),
        Unit(kind="window", structure="parallel", input="UINT4", geometry="4 8x8"),
        Unit(kind="label", input="UINT4"),
    ],
    ids=lambda unit: unit.kind,
)
def test_a_row_that_describes_no_unit_is_named(unit: Unit) -> None:
    """An empty matrix of constants, as a corpus that was edited by hand has, ended in a traceback."""
    with pytest.raises(
        BadData, match=rf"^kind '{unit.kind}'.*: no such unit \(.*; give structure, geometry and matrix"
    ):
        price(unit, "xc7", values("rtl"))


@pytest.mark.parametrize(
    ("unit", "group"),
    [
        (Unit(kind="thresholds", structure="search", input="INT8", output="UINT2", geometry="4"), "thresholds search"),
        (Unit(kind="matvec", structure="dsp", weight="INT4", input="INT4", output="INT9"), "matvec dsp"),
        (Unit(kind="matvec", structure="lut", weight="INT4", input="INT4", output="INT9"), "matvec"),
        (Unit(kind="memory", structure="ram", geometry="64x8"), "memory ram"),
        (Unit(kind="adder", input="UINT4", output="UINT5"), "adder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_are_averaged_where_one_law_holds(unit: Unit, group: str) -> None:
    assert group_of(unit) == group


def test_copies_cost_one_by_one() -> None:
    one, five = (price(Unit(kind="copy", geometry=str(n)), "xcup", values("rtl")) for n in (1, 5))
    assert {name: 5 * amount for name, amount in one.items()} == five and five["LUT"] > 0


def test_the_window_of_a_geometry() -> None:
    block = block_of(Unit(kind="window", structure="serial", input="UINT4", geometry="8 16x12 3x3 2x1 1x2 1x0"))
    assert (block.channels, block.image, block.kernel, block.stride) == (8, (16, 12), (3, 3), (2, 1))
    assert (block.dilation, block.padding, block.output) == ((1, 2), ((1, 1), (0, 0)), (8, 8))
