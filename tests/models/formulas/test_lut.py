"""The laws of arithmetic in LUTs, against brute force and synthesis."""

from __future__ import annotations

import pytest

from hwcost.models.formulas import coefficients, lut
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.fabric import FABRICS

RTL = coefficients.values("rtl")


@pytest.mark.parametrize("terms", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_adder_tree_counts_every_adder(terms: int, width: int) -> None:
    total, left, level = 0, terms, width
    while left > 1:  # an adder of two w-bit numbers has w + 1 result bits
        left, level = left // 2, level + 1
        total += left * level
    assert lut.adder_tree_bits(EXACT, terms, width) == total


# Yosys 0.70, parallel comparators per channel lane: (accumulator bits, output bits) -> LUT
COMPARATORS = {
    (8, 2): 20, (8, 3): 47, (8, 4): 111, (16, 1): 11, (16, 2): 35, (16, 3): 82, (16, 4): 186, (24, 1): 16, (24, 2): 50,
    (24, 3): 117, (24, 4): 261,
}  # fmt: skip


@pytest.mark.parametrize(("widths", "measured"), COMPARATORS.items())
def test_comparators_are_near_synthesis(widths: tuple[int, int], measured: int) -> None:
    compared, bits = widths
    assert lut.comparators(EXACT, 2**bits - 1, compared, RTL, FABRICS["DSP48E2"]) == pytest.approx(measured, rel=0.13)
