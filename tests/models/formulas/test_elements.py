"""Laws of products, tables and sums per channel: exact at whole widths, and never less for a bit more."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
import torch

from hwcost.graph.blocks import ChannelSum, Multiplier, Table
from hwcost.graph.ranges import integers, product
from hwcost.graph.spec import Block
from hwcost.models.formulas.elements import ChannelSumFormula, MultiplierFormula, TableFormula
from hwcost.models.formulas.formula import Fold, Job, Setting

RTL = Setting("DSP48E2", "search", "rtl", "shared")


def multiplier(left: float, right: float) -> Block:
    a, b = integers(left, signed=True), integers(right, signed=False)
    return Multiplier(channels=8, vectors=5, left=a, right=b, output=product(a, b))


def table(address: float, bits: float) -> Block:
    return Table(channels=8, vectors=5, input=integers(address, signed=True), output=integers(bits, signed=True))


def total(inputs: float, outputs: float) -> Block:
    wires = (integers(bits, signed=True) for bits in (inputs, outputs))
    return ChannelSum(channels=8, vectors=49, input=next(wires), output=next(wires))


LAWS: dict[str, tuple[Any, Any]] = {
    "multiplier": (MultiplierFormula(), multiplier),
    "table": (TableFormula(), table),
    "sum": (ChannelSumFormula(), total),
}


@pytest.mark.parametrize("name", LAWS)
def test_exact_at_whole_widths_and_never_less_for_a_bit_more(name: str) -> None:
    law, make = LAWS[name]
    for pe in (1, 2, 8):
        before = None
        for bits in range(2, 11):
            job = Job("layer", make(bits, bits + 1), Fold(pe))
            found = {key: float(value) for key, value in law([job], RTL).items()}
            assert found == {key: float(value) for key, value in law.reference(job, RTL).items()}
            assert before is None or all(found[key] >= before[key] for key in found)
            before = found


def test_a_table_is_a_lut_per_bit_and_64_words() -> None:
    law = TableFormula()
    luts = [law.reference(Job("layer", table(bits, 5), Fold(2)), RTL)["LUT"] for bits in (4, 6, 7, 9)]
    control = luts[0] - 2 * 5
    deep = RTL.constants["deep_table_bit"]  # of every 64 words above the first
    assert [value - control for value in luts] == [ceil(10 * (1 + more * deep)) for more in (0, 0, 1, 7)]


def test_multipliers_may_stand_in_slices() -> None:
    law = MultiplierFormula()
    parts = law.reference(Job("layer", multiplier(8, 8), Fold(4), multipliers="dsp"), RTL)
    assert parts["DSP"] == 4 and parts["LUT"] < 8


def test_sums_of_many_channels_stand_in_memory() -> None:
    one, many = (ChannelSumFormula().reference(Job("layer", total(4, 10), Fold(pe)), RTL) for pe in (8, 1))
    assert one["LUTRAM"] == 0 < many["LUTRAM"] and (one["cycles"], many["cycles"]) == (49, 8 * 49)


def test_a_width_that_learns_has_a_slope() -> None:
    bits = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    block = Table(channels=8, vectors=5, input=integers(bits, signed=True), output=integers(4, signed=True))
    TableFormula()([Job("layer", block, Fold(1))], RTL)["LUT"].sum().backward()  # type: ignore[no-untyped-call] # of torch
    assert bits.grad is not None and bool(bits.grad.isfinite())
