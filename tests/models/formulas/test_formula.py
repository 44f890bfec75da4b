"""The form of a formula: one law, evaluated at whole widths, between them, and per channel."""

from __future__ import annotations

import pytest
import torch
from block_strategies import bits, wire

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Adder,
    ScaleBias,
)
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.elementwise import AdderFormula, ScaleBiasFormula
from hwcost.models.formulas.formula import Parts, divisors

RTL = Setting("DSP48E2", "search", "rtl", "shared")
ELEMENT = integers(4, signed=False)


def adder(width: float) -> Job:
    output = wire(bits(width))
    return Job("add", Adder(channels=4, vectors=2, left=ELEMENT, right=ELEMENT, output=output), Fold(2))


def test_divisors() -> None:
    for number in (1, 2, 12, 36, 97, 360):
        assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


def test_the_parts_add_up() -> None:
    parts = Parts(LUT={"adders": 3, "control": 4}, FF=5, DSP=1, cycles=7)
    assert parts.total(("LUT", "FF", "DSP", "URAM", "cycles")) == {"LUT": 7, "FF": 5, "DSP": 1, "URAM": 0, "cycles": 7}
    jobs = [adder(3), adder(5.5)]
    split, bill = AdderFormula().parts(jobs, RTL), AdderFormula()(jobs, RTL)
    assert torch.equal(sum(split.LUT.values(), torch.zeros(2)), bill["LUT"]) and torch.equal(split.FF, bill["FF"])


def test_the_reference_takes_whole_widths_only() -> None:
    assert AdderFormula().reference(adder(5), RTL) == {
        name: int(amount.detach()) for name, amount in AdderFormula()([adder(5)], RTL).items()
    }
    with pytest.raises(ValueError, match="add: the reference takes whole widths only"):
        AdderFormula().exact(adder(5.5), RTL)


def test_other_widths_than_those_of_the_block() -> None:
    widths = torch.tensor([[[4.0], [4.0]], [[4.0], [4.0]], [[5.0], [9.0]]], dtype=torch.float64)
    found = AdderFormula().at([adder(1)], RTL, widths)
    for row, width in enumerate((5, 9)):
        wanted = AdderFormula().reference(adder(width), RTL)
        assert {name: int(amount[row, 0]) for name, amount in found.items()} == wanted


def test_flow_and_thresholds_fuse_an_activation_into_its_unit() -> None:
    fused = [Setting("DSP48E2", how, flow, "shared").fused for flow in ("rtl", "hls") for how in ("search", "parallel")]
    assert fused == [False, False, False, True]


def test_a_stream_of_unequal_channels_is_as_wide_as_its_widest() -> None:
    def price(*widths: float) -> dict[str, float]:
        factor = integers(torch.tensor(widths, dtype=torch.float64), signed=True)
        block = ScaleBias(channels=2, vectors=1, input=ELEMENT, weight=factor, bias=None, output=wire(bits(9)))
        return {name: float(a.detach()) for name, a in ScaleBiasFormula()([Job("bn", block, Fold(1))], RTL).items()}

    assert price(3, 6) == price(6, 6) != price(3, 3)
