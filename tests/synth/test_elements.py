"""Products, tables and sums per channel in RTL."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.elements import words
from hwcost.synth.random_elements import curve


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="multiplier", input="INT4", weight="UINT3", pe=2),
        Unit(kind="multiplier", input="UINT1", weight="INT5"),
        Unit(kind="table", input="INT4", output="INT3", pe=2),
        Unit(kind="table", input="INT5", output="INT4", matrix=curve(5, 4, 4.0)),
        Unit(kind="table", input="UINT7", output="UINT6", structure="bram18"),
        Unit(kind="channel_sum", input="INT3", output="INT6", geometry="1x7", pe=2),
        Unit(kind="channel_sum", input="UINT3", output="UINT6", geometry="3x5"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.input}-{unit.structure}{unit.geometry}",
)
def test_elements_equal_arithmetic(unit: Unit) -> None:
    assert prove(unit)


def test_words_stand_at_their_codes() -> None:
    table = Unit(kind="table", input="INT2", output="INT3", matrix="-4 -1 0 3")
    assert words(table) == [0, 3, 4, 7]  # 0 and 1, then -2 and -1; -4 is 100, -1 is 111
