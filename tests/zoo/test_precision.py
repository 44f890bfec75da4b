"""Precision of a network: the quantizers of each width, constant or learned."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant import BinaryQuantizer, IntQuantizer, LearnedBits, QuantIdentity, QuantReLU
from hwcost.zoo.precision import HEADROOM, MOST, Precision, relu, weight


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_learned_widths_start_above_their_floor(bits: int) -> None:
    for quantizer in (Precision(bits, bits, learned=True).weight(), Precision(bits, bits, learned=True).activation()):
        learned = quantizer.bits  # type: ignore[union-attr] # integers
        assert isinstance(learned, LearnedBits)
        assert (learned.base, learned.most, int(learned())) == (bits, MOST, bits + HEADROOM)


@pytest.mark.parametrize("bits", range(1, 9))
def test_constant_widths(bits: int) -> None:
    precision = Precision(bits, bits)
    kind = BinaryQuantizer if bits == 1 else IntQuantizer
    for quantizer in (precision.weight(), precision.activation()):
        assert type(quantizer) is kind and float(quantizer.range().bits) == bits
        assert not any(isinstance(module, LearnedBits) for module in quantizer.modules())
    assert type(precision.relu()) is (QuantIdentity if bits == 1 else QuantReLU)


def test_signed_activations_have_two_bits_at_least() -> None:
    signed = Precision(4, 1, learned=True).activation(signed=True)
    assert isinstance(signed, IntQuantizer) and signed.signed and signed.bits.base == 2  # type: ignore[union-attr]
    assert Precision(4, 1, learned=True).activation().bits.base == 1  # type: ignore[union-attr]


def test_a_threshold_for_each_channel() -> None:
    steps = Precision(4, 4).activation(max_val=3.0, channels=5).step()
    torch.testing.assert_close(steps, torch.full((1, 5, 1, 1), 3.0 / 15))
    assert Precision(4, 4).weight(per_channel=False).step(torch.ones(3, 2)).numel() == 1


def test_without_a_precision_nothing_is_quantized() -> None:
    assert weight(None) is None
    layer = relu(None)
    assert isinstance(layer, QuantReLU) and layer(torch.tensor([-1.0, 0.3])).tolist() == pytest.approx([0, 0.3])
    assert isinstance(relu(Precision(4, 4)), QuantReLU) and isinstance(weight(Precision(4, 4)), IntQuantizer)


@pytest.mark.parametrize(
    ("bits", "learned", "message"),
    [
        ((0, 4), False, "weight_bits=0; give 1 to 8"),
        ((1, 4), True, "weight_bits=1; give 2 to 8"),
        ((4, 0), True, "activation_bits=0; give 1 to 8"),
        ((9, 4), False, "weight_bits=9"),
    ],
)
def test_widths_that_there_are_not(bits: tuple[int, int], learned: bool, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        Precision(*bits, learned=learned)
