"""Fake quantization of tensors that broadcast, against its composition of plain operations."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.graph.ste import LN2, round_ste
from hwcost.quant.kernels import Kind, fake_quant, levels
from hwcost.quant.kernels.tensor import once

FLAGS = [(True, False), (True, True), (False, False)]
"""(signed, narrow)."""


@pytest.mark.parametrize("bits", [2, 3, 8, 16])
@pytest.mark.parametrize("shape", [(), (3, 1, 1, 1), (3, 4, 5, 2)])
@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("flags", FLAGS)
def test_tensors_of_thresholds_and_widths_equal_the_composition(
    bits: int, shape: tuple[int, ...], power: bool, flags: tuple[bool, bool]
) -> None:
    kind = Kind(*flags, power)
    leaves = [
        torch.randn(3, 4, 5, 2).double() * 2,
        torch.rand(shape).double() + 0.5,
        torch.full(shape, float(bits)).double(),
    ]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    x, threshold, width = leaves
    low, high, reach, _ = levels(width, kind)
    scaled = x / (threshold / reach)
    clamped = torch.where(scaled < low, low, torch.where(scaled > high, high, scaled))
    expected = round_ste(clamped) * (threshold / reach)
    found = fake_quant(x, threshold, width, signed=kind.signed, narrow=kind.narrow, power=kind.power)
    assert torch.equal(found, expected)
    g = torch.randn(x.shape).double()
    for a, b in zip(torch.autograd.grad(found, leaves, g), torch.autograd.grad(expected, leaves, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind(True, False, False), (-8, 7, 8)),
        (Kind(True, True, False), (-7, 7, 7)),
        (Kind(True, True, True), (-7, 7, 8)),
        (Kind(False, False, False), (0, 15, 15)),
        (Kind(False, False, True), (0, 15, 16)),
    ],
)
def test_levels_of_four_bits(kind: Kind, expected: tuple[int, int, int]) -> None:
    assert levels(4.0, kind)[:3] == expected
    reach = [levels(bits, kind)[2] for bits in (4 - 1e-6, 4 + 1e-6)]
    assert levels(4.0, kind)[3] == pytest.approx((reach[1] - reach[0]) / 2e-6, rel=1e-6)
    assert kind.short == (expected[1] < expected[2], -expected[0] < expected[2] and kind.signed)


def test_what_is_pruned_is_zero_and_hears_the_width_that_would_bring_it_back() -> None:
    x = torch.tensor([[0.3, -0.7], [0.3, -0.7]], requires_grad=True)
    bits = torch.tensor([[1.0], [2.0]], requires_grad=True)
    y = fake_quant(x, torch.ones(()), bits, signed=True, narrow=True, prune=True)
    assert y.tolist() == [[0, 0], [0, -1]]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1, 1], [1, 1]]
    rate = 2 * LN2  # of N = 2^(bits - 1) - 1 at 2 bits, where N is 1
    assert bits.grad is not None
    assert bits.grad.flatten().tolist() == pytest.approx([(0.3 - 0.7) * rate, (0.3 + 1 - 0.7) * rate])


def test_second_derivatives_are_refused_by_the_backward_pass_itself() -> None:
    with torch.no_grad():
        once()
    with pytest.raises(BadOption, match="no second derivative"):
        once()
