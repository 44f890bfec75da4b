"""The lanes of a matrix-vector unit: choices of bipolar and ternary weights, and what all PE share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hwcost.graph.ranges import Range, binary, integers, ternary
from hwcost.graph.spec import MatVec
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula

RTL = Setting("DSP48E2", "search", "rtl", "shared")
ECP5 = Setting("MULT18X18D", "search", "rtl", "shared")


def test_all_pe_choose_from_the_same_negatives_and_pass_a_word_on_for_nothing() -> None:
    inputs, law = integers(4, signed=False), MatVecFormula()
    constants = RTL.constants

    def lut(pe: int, weight: Range, setting: Setting) -> dict[str, float]:
        block = MatVec(rows=8, cols=12, weight=weight, input=inputs, acc=integers(12, signed=True))
        return {name: float(amount) for name, amount in law.exact(Job("fc", block, Fold(pe, 3)), setting).LUT.items()}

    one, four = (lut(pe, binary(), RTL)["multipliers"] for pe in (1, 4))
    lanes, negatives = 3 * (4 * constants["negate"] + constants["select"]), 3 * 4 * constants["negative_bit"]
    assert one == round(lanes + negatives) and four == round(4 * lanes + negatives)
    published = replace(RTL, flow="hls")
    assert lut(4, binary(), published)["multipliers"] == pytest.approx(
        4 * lut(1, binary(), published)["multipliers"], abs=2
    )
    word = 3 * 4  # a bit that chooses a sign is in the LUT that passes a word on while it is stored
    assert lut(1, integers(4, signed=True), RTL)["replay"] == lut(1, binary(), RTL)["replay"] + word


def test_a_ternary_weight_chooses_where_others_multiply() -> None:
    law, constants = MatVecFormula(), RTL.constants

    def lanes(weight: Range, input_bits: float, pe: int = 1) -> float:
        inputs = integers(input_bits, signed=False)
        block = MatVec(rows=8, cols=12, weight=weight, input=inputs, acc=integers(12, signed=True))
        return float(law.exact(Job("fc", block, Fold(pe, 3)), RTL).LUT["multipliers"])

    chosen, negatives = 3 * (4 * constants["ternary_bit"] + constants["ternary"]), 3 * 4 * constants["negative_bit"]
    assert lanes(ternary(), 4) == round(chosen + negatives)
    assert lanes(ternary(), 4, pe=4) == round(4 * chosen + negatives)
    assert lanes(ternary(), 1) == lanes(integers(2, signed=True), 1)  # which a single bit keeps or drops
    assert lanes(integers(2, signed=True, narrow=True), 4) == lanes(ternary(), 4)
    assert lanes(ternary(), 4, pe=8) < lanes(integers(2, signed=True), 4, pe=8)


def test_a_learned_ternary_weight_has_the_slope_of_a_product_and_its_input_that_of_a_choice() -> None:
    width, entering = (torch.tensor(bits, dtype=torch.float64, requires_grad=True) for bits in (2.0, 4.0))
    weight, inputs = integers(width, signed=True, narrow=True), integers(entering, signed=False)
    block = MatVec(rows=8, cols=12, weight=weight, input=inputs, acc=integers(12, signed=True))
    found = MatVecFormula().parts([Job("fc", block, Fold(2, 3))], RTL).LUT["multipliers"]
    slopes = torch.autograd.grad(torch.as_tensor(found).sum(), (width, entering))
    c = RTL.constants
    assert float(slopes[0]) == pytest.approx(6 * 4 * c["multiplier_bit"])
    assert float(slopes[1]) == pytest.approx(6 * c["ternary_bit"] + 3 * c["negative_bit"])


def test_lattice_builds_a_chain_for_a_negative_and_none_where_a_lut_takes_the_input_in() -> None:
    def lanes(input_bits: int, pe: int) -> float:
        inputs = integers(input_bits, signed=False)
        block = MatVec(rows=8, cols=12, weight=binary(), input=inputs, acc=integers(12, signed=True))
        return float(MatVecFormula().exact(Job("fc", block, Fold(pe, 3)), ECP5).LUT["multipliers"])

    chain = 3 * 8  # six bits in pairs, and the end of the chain
    assert 8 * lanes(5, 1) - lanes(5, 8) == pytest.approx(7 * chain, abs=4)
    assert lanes(3, 8) == 8 * lanes(3, 1) == 8 * 3 * 4
