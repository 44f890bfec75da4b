"""Drawn products and thresholds: within the limits of what a synthesizer finishes."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no unit was drawn; pip install 'hwcost[synth]'")

from hwcost.models.calibration.corpus import wire
from hwcost.synth.random_products import (
    LARGEST_LANES,
    accumulator,
    binary,
    constant,
    dsp,
    fixed,
    matrix,
    matvec,
    variable,
    width,
)

DRAWS = range(150)


def test_widths_are_spread_over_their_logarithm() -> None:
    drawn = [width(Random(draw), 1, 16) for draw in range(2_000)]
    assert set(drawn) == set(range(1, 17)) and 0.35 < sum(each <= 4 for each in drawn) / 2_000 < 0.75


@pytest.mark.parametrize("draw", [matvec, dsp, binary])
def test_products_have_accumulators_that_hold_their_sum(draw: type) -> None:
    for seed in DRAWS:
        unit = draw(Random(seed))
        weight, inputs, acc = (wire(name) for name in (unit.weight, unit.input, unit.output))
        assert float(weight.bits) * float(inputs.bits) * unit.simd <= LARGEST_LANES and unit.pe >= 1
        if weight.bipolar and inputs.bipolar:  # it counts ones
            assert int(acc.high) >= unit.simd
            continue
        ends = [float(a) * float(b) * unit.simd for a in (weight.low, weight.high) for b in (inputs.low, inputs.high)]
        assert float(acc.low) <= min(ends) and max(ends) <= float(acc.high), unit


def test_accumulators_by_hand() -> None:
    assert accumulator("BIPOLAR", "BIPOLAR", 9) == "UINT4"
    assert accumulator("INT4", "UINT4", 10) == "INT12"  # -1200 to 1050
    assert accumulator("UINT2", "UINT2", 1) == "UINT4"


def test_constants_and_thresholds() -> None:
    for seed in DRAWS:
        unit = constant(Random(seed))
        assert len({len(row) for row in unit.constants}) == 1
        steps = fixed(Random(seed))
        assert all(
            row == sorted(set(row)) and len(row) == 2 ** float(wire(steps.output).bits) - 1 for row in steps.constants
        )
        for structure, most in (("search", 5), ("parallel", 4)):
            free = variable(structure, most)(Random(seed))
            assert not free.matrix and free.numbers[0][0] % free.pe == 0 and float(wire(free.output).bits) <= most
    assert matrix([[1, -2], [0, 3]]) == "1 -2;0 3"
