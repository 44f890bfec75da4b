"""The RTL of matrix-vector units equals integer arithmetic on random numbers, at every width from 1 to 8."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import FAMILIES, Unit
from hwcost.synth.random_products import accumulator


@pytest.mark.parametrize("weight_bits", range(1, 9))
@pytest.mark.parametrize("input_bits", range(1, 9))
def test_matrix_vector_units(weight_bits: int, input_bits: int) -> None:
    random, structure = Random(f"{weight_bits} {input_bits}"), ("lut", "dsp")[(weight_bits + input_bits) % 2]
    weight = random.choice([f"INT{weight_bits}", f"NARROW{weight_bits}", f"UINT{weight_bits}"][weight_bits == 1 :])
    weight = random.choice(["BIPOLAR", "UINT1"]) if weight_bits == 1 else weight
    inputs = random.choice([f"UINT{input_bits}", f"INT{input_bits}"]) if input_bits > 1 else "UINT1"
    pe, simd = random.randint(1, 4), random.randint(1, 5)
    output = accumulator(weight, inputs, 3 * simd)
    assert prove(Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=pe, simd=simd, structure=structure))


@pytest.mark.parametrize("weight", ["BIPOLAR", "TERNARY", "INT3"])
@pytest.mark.parametrize("inputs", ["BIPOLAR", "UINT1", "INT4"])
@pytest.mark.parametrize("structure", ["lut", "dsp"])
def test_bipolar_and_ternary_operands(weight: str, inputs: str, structure: str) -> None:
    if weight == inputs == "BIPOLAR":
        structure = "lut"  # an XNOR needs no DSP slice
    output = accumulator(weight, inputs, 12)
    assert prove(Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=2, simd=4, structure=structure))


def test_an_operand_that_leaves_no_room_for_a_sign_shares_no_slice() -> None:
    assert prove(Unit(kind="matvec", weight="UINT27", input="INT4", output="INT34", structure="dsp"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("weight", "inputs"), [("INT4", "UINT4"), ("NARROW3", "INT5"), ("UINT3", "UINT3")])
def test_products_packed_into_one_slice_on_every_family(family: str, weight: str, inputs: str) -> None:
    output = accumulator(weight, inputs, 12)
    unit = Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=5, simd=2, structure="dsp")
    assert prove(unit, family=family)
