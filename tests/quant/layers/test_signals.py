"""Streams that enter a layer: what its hardware can take, and what it says about the rest."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import binary, integers, unknown
from hwcost.graph.spec import Form, Signal
from hwcost.quant import POW2, ConstScale, IntQuantizer, LearnedScale, StatScale, abs_max, const_input
from hwcost.quant.layers.signals import by_column, entering, integer, quantized, sample_rank, thresholds, with_zero

ACC = integers(12, signed=True)


def stream(form: Form | None = None) -> Signal:
    return Signal(range=ACC, shape=(4, 3, 3), affine=None if form is None else "norm", form=form or Form.AFFINE)


def test_an_input_quantizer_makes_thresholds_unless_floats_enter() -> None:
    quantizer = const_input(bits=5)
    inner, (block,) = entering(stream(Form.AFFINE), quantizer)
    assert inner.range.bits.item() == 5 and inner.grid is quantizer and inner.affine is None
    assert (block.channels, block.vectors, block.input, block.output.high.item()) == (4, 9, ACC, 31)  # type: ignore[attr-defined]
    outside, blocks = entering(Signal(range=unknown(), shape=(4,)), quantizer)
    assert outside.range.bits.item() == 5 and blocks == ()
    with pytest.raises(
        UnknownPrecision, match=r"the input of shape \(4,\) has no bit-width; give the layer an input_quant="
    ):
        entering(Signal(range=unknown(), shape=(4,)), None)


def test_integers_of_one_scale_pass() -> None:
    plain = stream()
    assert integer(plain) is plain and entering(plain, None) == (plain, ())
    scaled = stream(Form.SCALE)
    assert integer(scaled, apart=True) is scaled
    with pytest.raises(UnknownPrecision, match="which no sum over channels can factor out"):
        integer(scaled)


@pytest.mark.parametrize("form", [Form.AFFINE, Form.MONOTONE])
def test_a_float_map_in_between_is_named(form: Form) -> None:
    with pytest.raises(UnknownPrecision, match="still carries the float map of norm, so it is no integer"):
        integer(stream(form), apart=True)
    assert thresholds(stream(form), integers(3, signed=False)).vectors == 9


def test_an_order_has_no_thresholds() -> None:
    for call in (lambda: integer(stream(Form.ORDER)), lambda: thresholds(stream(Form.ORDER), ACC)):
        with pytest.raises(UnknownPrecision, match="only argmax can follow"):
            call()


def test_scales_per_channel_stay_with_the_stream() -> None:
    steps = IntQuantizer(bits=4, scale=LearnedScale(torch.full((1, 4, 1, 1), 2.0)))
    codes, made = quantized(steps, Signal(range=ACC, shape=(4, 3, 3)))
    assert made.form is Form.SCALE and made.affine is not None and codes.bits.max().item() == 4
    assert quantized(const_input(bits=3), Signal(range=ACC, shape=(4,)))[1].affine is None
    with pytest.raises(UnknownPrecision, match="its scale is a statistic of the data"):
        quantized(IntQuantizer(bits=4, scale=StatScale(abs_max)), Signal(range=ACC, shape=(4,)))


def test_zeros_of_a_padding() -> None:
    both = with_zero(integers(4, signed=False)), with_zero(integers(4, signed=True))
    assert [(wire.low.item(), wire.high.item()) for wire in both] == [(0, 15), (-8, 7)]
    with pytest.raises(UnknownPrecision, match="zero has no code there; use padding=0 or a ternary input"):
        with_zero(binary())


def test_samples_of_another_rank() -> None:
    sample_rank((4,), 1, "QuantLinear")
    with pytest.raises(BadOption, match=r"QuantLinear: a sample of shape \(4, 2\); its hardware takes 1 dimension"):
        sample_rank((4, 2), 1, "QuantLinear")


def test_every_column_has_the_width_of_its_channel() -> None:
    assert by_column(Signal(range=ACC, shape=(4,)), 4) is None
    bits = torch.tensor([3.0, 5.0], dtype=torch.float64)
    wires = by_column(Signal(range=integers(bits, signed=False), shape=(2, 3, 3)), 4)
    assert wires is not None and wires.bits.tolist() == [3, 3, 5, 5] and wires.high.tolist() == [7, 7, 31, 31]


def test_steps_of_powers_of_two_make_thresholds_a_shift() -> None:
    power = IntQuantizer(bits=4, scale=ConstScale(2.0, domain=POW2))
    codes, made = quantized(power, stream())
    assert made.shifts and not quantized(const_input(bits=4), stream())[1].shifts
    assert thresholds(made, codes, shifts=True).shifted
    assert not thresholds(stream(), codes, shifts=True).shifted and not thresholds(made, codes).shifted
