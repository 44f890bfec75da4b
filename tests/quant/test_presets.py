"""Quantizers by their use: the integers, the scale and the width that their names promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from hwcost.quant import POW2, IntQuantizer, LearnedBits, LearnedScale, StatScale
from hwcost.quant.presets import (
    binary_weight,
    const_activation,
    const_input,
    const_weight,
    int8_input,
    learned_activation,
    learned_weight,
    ternary_weight,
)


@pytest.mark.parametrize("make", [learned_weight, const_weight])
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_span_their_largest_magnitude(make: Callable[..., IntQuantizer], per_channel: bool) -> None:
    quantizer = make(bits=4, per_channel=per_channel)
    weight = torch.tensor([[7.0, -3.4, 0.0], [-14.0, 3.0, 1.1]])
    steps = [1.0, 2.0] if per_channel else [2.0, 2.0]
    codes = [[round(w / step) for w in row] for row, step in zip(weight.tolist(), steps, strict=True)]
    assert quantizer.integers(weight).tolist() == codes
    wire = quantizer.range()
    assert (wire.low.item(), wire.high.item(), wire.bits.item()) == (-7, 7, 4)
    assert isinstance(quantizer.bits, LearnedBits) == (make is learned_weight)  # type: ignore[comparison-overlap]


def test_weights_of_a_transposed_convolution_and_in_steps_of_powers_of_two() -> None:
    weight = torch.randn(4, 3, 2, 2)
    assert learned_weight(channel_dim=1).step(weight).shape == (1, 3, 1, 1)
    steps = const_weight(bits=4, domain=POW2).step(weight).log2()
    assert torch.equal(steps, steps.round())


def test_bounds_of_learned_widths() -> None:
    for quantizer in (learned_weight(bits=5, base=3, most=6), learned_activation(bits=5, base=3, most=6)):
        bits = quantizer.bits
        assert isinstance(bits, LearnedBits) and (bits.base, bits.most, int(bits())) == (3, 6, 5)


def test_binary_and_ternary_weights_are_the_mean_magnitude() -> None:
    weight = torch.tensor([[0.8, -3.2], [0.4, 6.0]])
    torch.testing.assert_close(binary_weight()(weight), torch.tensor([[2.0, -2.0], [3.2, 3.2]]))
    torch.testing.assert_close(binary_weight(per_channel=False)(weight), torch.tensor([[2.6, -2.6], [2.6, 2.6]]))
    torch.testing.assert_close(ternary_weight()(weight), torch.tensor([[0.0, -2.0], [0.0, 3.2]]))
    torch.testing.assert_close(ternary_weight(threshold=0.1)(weight)[1], torch.tensor([3.2, 3.2]))


@pytest.mark.parametrize("make", [learned_activation, const_activation])
def test_activations_learn_their_threshold(make: Callable[..., IntQuantizer]) -> None:
    quantizer = make(bits=3, max_val=3.5)
    assert isinstance(quantizer.scale, LearnedScale) and not isinstance(quantizer.scale, StatScale)
    x = torch.tensor([-1.0, 0.2, 1.8, 99.0])
    torch.testing.assert_close(quantizer(x), torch.tensor([0.0, 0.0, 2.0, 3.5]))
    signed = make(bits=3, max_val=4.0, signed=True)
    torch.testing.assert_close(signed(x * 2), torch.tensor([-2.0, 0.0, 3.0, 3.0]))


def test_pixels_are_taken_back_exactly() -> None:
    pixels = torch.arange(256) / 255
    for quantizer in (const_input(), int8_input()):
        torch.testing.assert_close(quantizer(pixels), pixels)
        assert quantizer.integers(pixels).tolist() == list(range(256))
        assert not list(quantizer.parameters())
    signed = int8_input(max_val=2.0, signed=True)
    assert signed.integers(torch.tensor([-2.0, 2.0])).tolist() == [-128, 127]
