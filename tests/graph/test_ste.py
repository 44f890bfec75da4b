"""Straight-through primitives."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from hwcost.graph.ste import ceil_log2, magnitude, sign_ste, ternary_ste, whole_bits


def test_whole_bits_never_exceeds_its_bound_and_can_come_back() -> None:
    offset = torch.tensor([0.0, -3.4, 13.9, 14.4, 20.0, -20.0], requires_grad=True)
    bits = whole_bits(offset, base=2, most=16)
    assert bits.tolist() == [2, 5, 16, 16, 16, 16]
    widen = torch.autograd.grad(bits, offset, -torch.ones(6), retain_graph=True)[0]
    narrow = torch.autograd.grad(bits, offset, torch.ones(6))[0]
    assert widen.tolist() == [-1, 1, -1, 0, 0, 0]
    assert narrow.tolist() == [1, -1, 1, 1, 1, -1]


def test_sign_and_ternary() -> None:
    x = torch.tensor([-0.2, 0.0, -0.0, 0.3, float("nan")])
    assert sign_ste(x)[:4].tolist() == [-1, 1, 1, 1] and sign_ste(x)[4].isnan()
    t = ternary_ste(x, torch.tensor(0.25))
    assert t[:4].tolist() == [0, 0, 0, 1] and t[4].isnan()


def test_magnitude_has_a_gradient_at_zero() -> None:
    x = torch.tensor([0.0, -0.0, -2.0], requires_grad=True)
    magnitude(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1, -1]


@given(st.integers(-60, 60), st.sampled_from([-1, 0, 1]))
def test_ceil_log2_is_exact_around_powers_of_two(exponent: int, side: int) -> None:
    power = torch.tensor(2.0**exponent, dtype=torch.float64)
    x = torch.nextafter(power, power * (2.0**side)) if side else power
    assert ceil_log2(x).item() == exponent + (side > 0)
