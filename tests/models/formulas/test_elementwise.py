"""Element-wise streams: sums, clips, factors per channel."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from block_strategies import bits, wire

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Adder,
    Saturate,
    ScaleBias,
)
from hwcost.models import Dataflow, Fold, Job, Placed, Setting
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.elementwise import AdderFormula, SaturateFormula, ScaleBiasFormula, clip
from hwcost.models.formulas.memory import memory

RTL = Setting("DSP48E2", "search", "rtl", "shared")
C = RTL.constants


def test_a_clip_that_does_not_narrow_yet_has_a_live_gradient() -> None:
    entering = bits(1)
    block = Saturate(channels=1, vectors=1, input=wire(entering), output=wire(bits(2)))
    lut = Dataflow(device="xc7z020", folding={}).price([Placed("clip", block)])["LUT"]
    assert torch.autograd.grad(lut.sum(), entering)[0] > 0


@pytest.mark.parametrize(("signed", "added"), [(False, 4), (True, 7)])
def test_a_sum_is_as_wide_as_its_narrower_operand_unless_a_sign_is_extended(signed: bool, added: int) -> None:
    left, right = integers(4, signed=signed), integers(7, signed=signed)
    block = Adder(channels=6, vectors=5, left=left, right=right, output=integers(8, signed=signed))
    found = AdderFormula().exact(Job("add", block, Fold(3)), RTL)
    assert found.LUT["adders"] == EXACT.ceil(C["adder_bit"] * 3 * added)
    assert found.cycles == 2 * 5 and found.FF == 3 * 8 + 1


def test_channels_pass_in_equal_parts() -> None:
    block = Adder(channels=6, vectors=1, **dict.fromkeys(("left", "right", "output"), integers(4, signed=True)))
    assert AdderFormula().folds(block) == [Fold(1), Fold(2), Fold(3), Fold(6)]


def test_a_clip_looks_at_four_upper_bits_for_nothing() -> None:
    few, more, signed = (clip(EXACT, inputs, 4, sign, RTL) for inputs, sign in ((8, 0), (10, 0), (9, 1)))
    assert few == pytest.approx(C["saturate_bit"] * 4)
    assert more == pytest.approx(C["saturate_bit"] * (4 + 2 * 0.42))
    assert signed == pytest.approx(C["saturate_bit"] * (3 + 2 * 0.84))
    block = Saturate(channels=2, vectors=1, input=integers(10, signed=False), output=integers(4, signed=False))
    assert SaturateFormula().exact(Job("clip", block, Fold(2)), RTL).LUT["adders"] == EXACT.ceil(2 * more)


def test_factors_per_channel_share_no_slice_and_lie_in_a_memory() -> None:
    element, factor = integers(4, signed=False), integers(4, signed=True)
    block = ScaleBias(channels=8, vectors=2, input=element, weight=factor, bias=None, output=integers(8, signed=True))
    law = ScaleBiasFormula()
    in_dsp = law.exact(Job("bn", block, Fold(4), "dsp", "bram18"), RTL)
    assert (in_dsp.DSP, in_dsp.LUT["multipliers"], in_dsp.BRAM18, in_dsp.cycles) == (4, 0, 1, 4)
    in_lut = law.exact(Job("bn", block, Fold(4), "lut", "lutram"), RTL)
    assert in_lut.LUT["weights"] == memory(EXACT, 4 * 4, 2, 0, "DSP48E2")[0]
    biased = replace(block, bias=integers(6, signed=True))
    with_bias = law.exact(Job("bn", biased, Fold(4), "lut", "lutram"), RTL)
    assert with_bias.LUT["weights"] == memory(EXACT, 4 * (4 + 6), 2, 0, "DSP48E2")[0]
    assert in_lut.DSP == in_lut.BRAM18 == in_lut.LUT["adders"] == 0 < in_lut.LUT["weights"]
