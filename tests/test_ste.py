"""The fused fake-quant against a composition of plain torch operations, in float64."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hwcost.ste import ceil_log2, fake_quant, magnitude, round_ste, sign_ste, ternary_ste, whole_bits

KINDS = [kind for kind in itertools.product([True, False], repeat=3) if kind[0] or not kind[1]]  # narrow needs signed


def composed(x: Tensor, threshold: Tensor, bits: Tensor, signed: bool, narrow: bool, power: bool) -> Tensor:
    """The seed's formula, operation by operation; autograd finds the gradients."""
    span = torch.exp2(bits - 1) if signed else torch.exp2(bits)
    low = -span + narrow if signed else torch.zeros_like(span)
    high = span - 1
    reach = span if power or (signed and not narrow) else span - 1
    scaled = x / (threshold / reach)
    clamped = torch.where(scaled < low, low, torch.where(scaled > high, high, scaled))
    return round_ste(clamped) * (threshold / reach)


def gradients(function, x, threshold, bits, g, kind):  # type: ignore[no-untyped-def]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in (x, threshold, bits)]
    y = function(*leaves, kind)
    return y.detach(), torch.autograd.grad(y, leaves, g)


def fused(x: Tensor, threshold: Tensor, bits: Tensor, kind: tuple[bool, bool, bool]) -> Tensor:
    signed, narrow, power = kind
    return fake_quant(x, threshold, bits, signed=signed, narrow=narrow, power=power)


def plain(x: Tensor, threshold: Tensor, bits: Tensor, kind: tuple[bool, bool, bool]) -> Tensor:
    return composed(x, threshold, bits, *kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [2, 3, 5, 8, 16])
@pytest.mark.parametrize("shape", [(), (3, 1, 1, 1)])
def test_fused_equals_the_composition(kind: tuple[bool, bool, bool], bits: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(3, 4, 5, 2, dtype=torch.float64) * 2
    threshold = torch.rand(shape, dtype=torch.float64) + 0.5
    width = torch.full(shape, float(bits), dtype=torch.float64)
    g = torch.randn_like(x)
    expected, wanted = gradients(plain, x, threshold, width, g, kind)
    found, got = gradients(fused, x, threshold, width, g, kind)
    assert torch.equal(found, expected)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@given(
    kind=st.sampled_from(KINDS),
    bits=st.integers(2, 10),
    seed=st.integers(0, 10_000),
    log_threshold=st.floats(-8, 8),
)
def test_scalar_float32_path_equals_the_tensor_path(
    kind: tuple[bool, bool, bool], bits: int, seed: int, log_threshold: float
) -> None:
    torch.manual_seed(seed)
    threshold = torch.tensor(2.0**log_threshold)
    x, g = torch.randn(4, 33) * threshold * 1.5, torch.randn(4, 33)
    scalar, got = gradients(fused, x, threshold, torch.tensor(float(bits)), g, kind)
    row = torch.full((4, 1), float(bits))  # one bound per row: the path of tensors
    tensor, wanted = gradients(fused, x, threshold.expand(4, 1).clone(), row, g, kind)
    assert torch.equal(scalar, tensor)
    torch.testing.assert_close(got[0], wanted[0])
    torch.testing.assert_close(got[1], wanted[1].sum(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(got[2], wanted[2].sum(), rtol=1e-3, atol=float(threshold) * 1e-4)


def test_bounds_are_inside() -> None:
    x = torch.tensor([-8.5, -8.0, 7.0, 7.5], requires_grad=True)
    y = fake_quant(x, torch.tensor(8.0), torch.tensor(4.0), signed=True, narrow=False)
    y.sum().backward()
    assert y.tolist() == [-8, -8, 7, 7]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("order", ["x", "gradient", "both"])
def test_channels_last_gives_the_same_gradients(order: str) -> None:
    x, g = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    threshold, bits = torch.tensor(1.3), torch.tensor(3.0)
    kind = (True, False, False)
    expected = gradients(fused, x, threshold, bits, g, kind)[1]
    x2 = x.contiguous(memory_format=torch.channels_last) if order != "gradient" else x
    g2 = g.contiguous(memory_format=torch.channels_last) if order != "x" else g
    for a, b in zip(gradients(fused, x2, threshold, bits, g2, kind)[1], expected, strict=True):
        torch.testing.assert_close(a, b)


def test_transposed_and_sliced_inputs_give_the_same_gradients() -> None:
    whole, g = torch.randn(6, 8), torch.randn(4, 6)
    kind, threshold, bits = (True, True, False), torch.tensor(1.0), torch.tensor(3.0)
    view = whole.t()[::2]
    x, theta, width = (leaf.detach().clone().requires_grad_() for leaf in (whole, threshold, bits))
    got = torch.autograd.grad(fused(x.t()[::2], theta, width, kind), (theta, width), g)
    for a, b in zip(got, gradients(fused, view.contiguous(), threshold, bits, g, kind)[1][1:], strict=True):
        torch.testing.assert_close(a, b)


def test_expanded_gradient() -> None:
    x = torch.randn(4, 5)
    theta, width = torch.tensor(1.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    fake_quant(x, theta, width, signed=True, narrow=False).sum().backward()  # the gradient of sum has strides of 0
    expected = gradients(plain, x, theta, width, torch.ones(4, 5), (True, False, False))[1]
    torch.testing.assert_close(theta.grad, expected[1])
    torch.testing.assert_close(width.grad, expected[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_codes_are_those_of_float32(dtype: torch.dtype) -> None:
    x = torch.randn(1000).to(dtype)
    threshold, bits = torch.tensor(3.0), torch.tensor(7.0)
    y = fake_quant(x, threshold, bits, signed=True, narrow=True)
    assert y.dtype == dtype
    assert torch.equal(y, fake_quant(x.float(), threshold, bits, signed=True, narrow=True).to(dtype))


def test_nan_stays_nan_and_infinity_saturates() -> None:
    x = torch.tensor([float("nan"), float("inf"), -float("inf")], requires_grad=True)
    y = fake_quant(x, torch.tensor(1.0), torch.tensor(3.0), signed=True, narrow=True)
    assert y[0].isnan() and y[1:].tolist() == [1.0, -1.0]


def test_empty_input() -> None:
    assert fake_quant(torch.zeros(0, 3), torch.tensor(1.0), torch.tensor(3.0), signed=True, narrow=True).shape == (0, 3)


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
