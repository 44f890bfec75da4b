"""Registers that cut the path of a unit: their places, and their bits as a synthesizer counted them (Yosys 0.70)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hwcost.graph.ranges import Range, binary, integers, ternary
from hwcost.graph.spec import MatVec, Saturate, Thresholds
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.formulas.stages import PRODUCTS, places, waiting
from hwcost.models.formulas.thresholds import ThresholdsFormula

RTL = Setting("DSP48E2", "search", "rtl", "shared")


def signed(bits: int) -> Range:
    return integers(bits, signed=True)


def unsigned(bits: int) -> Range:
    return integers(bits, signed=False)


def unit(shape: tuple[int, int, int, int], weight: Range, inputs: Range, acc: int, cuts: tuple[int, ...]) -> Job:
    rows, cols, pe, simd = shape
    both = bool(weight.bipolar and inputs.bipolar)
    block = MatVec(rows=rows, cols=cols, weight=weight, input=inputs, acc=unsigned(acc) if both else signed(acc))
    return Job(layer="fc", block=block, fold=Fold(pe, simd), cuts=cuts)


@pytest.mark.parametrize(
    ("shape", "weight", "inputs", "acc", "cuts", "measured"),
    [
        ((8, 8, 2, 4), signed(4), unsigned(4), 11, (), 29),
        ((8, 8, 2, 4), signed(4), unsigned(4), 11, (0,), 78),
        ((8, 8, 2, 4), signed(4), unsigned(4), 11, (1,), 96),
        ((16, 16, 2, 4), signed(4), unsigned(4), 12, (0, 1, 2, 3), 215),
        ((16, 20, 2, 5), signed(3), signed(5), 12, (0, 1, 2, 3, 4), 295),
        ((16, 32, 2, 8), binary(), binary(), 6, (0, 1, 2, 3, 4), 114),
        ((8, 8, 2, 4), binary(), unsigned(3), 7, (0, 1, 3), 94),
        ((32, 6, 2, 3), ternary(), binary(), 4, (0, 1, 2, 3), 86),
        ((16, 18, 1, 9), signed(2), unsigned(3), 9, (0, 1, 2, 3, 4, 5), 198),
    ],
)
def test_units_have_the_registers_that_were_counted(
    shape: tuple[int, int, int, int], weight: Range, inputs: Range, acc: int, cuts: tuple[int, ...], measured: int
) -> None:
    assert MatVecFormula().reference(unit(shape, weight, inputs, acc, cuts), RTL)["FF"] == measured


@pytest.mark.parametrize(
    ("channels", "pe", "inputs", "bits", "structure", "cuts", "measured", "channel"),
    [
        (16, 2, 12, 4, "search", (), 108, 0),
        (32, 2, 8, 2, "search", (0,), 104, 4),
        (96, 1, 8, 2, "search", (0,), 53, 7),
        (2, 2, 8, 2, "parallel", (0,), 5, 0),
    ],
)
def test_activations_have_the_registers_that_were_counted(
    channels: int, pe: int, inputs: int, bits: int, structure: str, cuts: tuple[int, ...], measured: int, channel: int
) -> None:
    """No channel of these falls; where some do, the bits of the channel go along through the last memory as well."""
    block = Thresholds(channels=channels, vectors=1, input=signed(inputs), output=unsigned(bits))
    job = Job(layer="act", block=block, fold=Fold(pe), cuts=cuts)
    assert ThresholdsFormula().reference(job, replace(RTL, thresholds=structure))["FF"] == measured + channel


def test_sums_behind_a_level_of_an_unbalanced_tree() -> None:
    assert [waiting(5, level) for level in range(4)] == [(5,), (1, 2), (1, 0, 1), (0, 0, 0, 1)]


def test_a_register_can_stand_behind_memories_products_and_every_level() -> None:
    job = unit((8, 8, 2, 4), signed(4), unsigned(4), 11, ())
    assert places(job.block, job.fold) == (0, PRODUCTS, PRODUCTS + 1, PRODUCTS + 2)
    assert places(Thresholds(channels=4, vectors=1, input=signed(8), output=unsigned(2)), Fold()) == (0,)
    assert places(Saturate(channels=4, vectors=1, input=signed(8), output=signed(4)), Fold()) == ()


def test_no_sum_is_wider_than_its_accumulator() -> None:
    wide, narrow = (
        MatVecFormula().reference(unit((8, 8, 2, 4), signed(4), unsigned(4), acc, (3,)), RTL)["FF"] for acc in (11, 6)
    )
    assert wide - narrow == 2 * (11 - 6) + 2 * (10 - 6)


def test_registers_have_a_gradient_to_widths() -> None:
    bits = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    weight = signed(4)
    block = MatVec(rows=16, cols=16, weight=Range(low=weight.low, high=weight.high, bits=bits), input=unsigned(4),
                   acc=signed(12))  # fmt: skip
    slopes = []
    for cuts in ((), (0, 1)):
        job = Job(layer="fc", block=block, fold=Fold(2, 4), cuts=cuts)
        (slope,) = torch.autograd.grad(MatVecFormula()([job], RTL)["FF"][0], bits)
        slopes.append(float(slope))
    assert slopes == pytest.approx([0.0, 2 * 4 + 2 * 4])
