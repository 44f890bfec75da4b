"""Repetitions, shuffles, transpositions, paddings and crops in RTL."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit

UNITS = {
    "repeat": Unit(kind="reorder", input="UINT3", geometry="2x3x4x2 1x0x2x0", pe=2),
    "shuffle": Unit(kind="reorder", input="UINT4", geometry="3x2x4x2 1x3x12x6"),
    "transpose": Unit(kind="reorder", input="UINT5", geometry="5x3 3x1"),
    "transpose in block RAM": Unit(kind="reorder", input="UINT5", geometry="8x7 7x1"),
    "one word again": Unit(kind="reorder", input="UINT5", geometry="4 0"),
    "padded": Unit(kind="pad", input="UINT3", geometry="2x4x3 0x1x2 0x1x0", pe=2),
    "cropped": Unit(kind="pad", input="UINT3", geometry="4x5x3 -2x0x-1 0x-1x0"),
    "padded and cropped": Unit(kind="pad", input="UINT3", geometry="2x5 0x2 0x-1"),
}


@pytest.mark.parametrize("name", UNITS)
def test_words_leave_where_they_should(name: str) -> None:
    assert prove(UNITS[name])
