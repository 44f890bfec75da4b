"""Tensors that know their integers: arithmetic on every pair of codes stays exact and inside its range."""

from __future__ import annotations

from collections.abc import Callable
from math import trunc
from operator import add, mul, neg, pos, sub, truediv
from typing import Any

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.graph.ranges import between
from hwcost.quant import QuantTensor

WIRES = [(-8, 7), (0, 5), (-7, -2), (3, 6)]


def codes(low: int, high: int, scale: float) -> QuantTensor:
    return QuantTensor(torch.arange(low, high + 1) * torch.tensor(scale), torch.tensor(scale), between(low, high))


def pairs(a: tuple[int, int], b: tuple[int, int], scales: tuple[float, float]) -> tuple[QuantTensor, QuantTensor]:
    left, right = codes(*a, scales[0]), codes(*b, scales[1])
    table = torch.cartesian_prod(left.value, right.value)
    return QuantTensor(table[:, 0], left.scale, left.range), QuantTensor(table[:, 1], right.scale, right.range)


@pytest.mark.parametrize("operation", [add, sub, mul])
@pytest.mark.parametrize("a", WIRES)
@pytest.mark.parametrize("b", WIRES)
def test_every_pair(a: tuple[int, int], b: tuple[int, int], operation: Callable[..., Any]) -> None:
    left, right = pairs(a, b, (0.1, 0.1) if operation is not mul else (0.1, 1 / 3))
    found = operation(left, right)
    expected = operation(left.codes(), right.codes())
    assert torch.equal(found.codes(), expected) and torch.equal(found.int(), expected.to(found.value))
    assert (found.range.low.item(), found.range.high.item()) == (int(expected.min()), int(expected.max()))
    assert found.signed == bool(expected.min() < 0)


@pytest.mark.parametrize("a", WIRES)
@pytest.mark.parametrize("b", [(1, 5), (-4, -1)])
def test_quotients_go_towards_zero(a: tuple[int, int], b: tuple[int, int]) -> None:
    left, right = pairs(a, b, (0.5, 0.25))
    found = truediv(left, right)
    expected = [trunc(x / y) for x, y in zip(left.codes().tolist(), right.codes().tolist(), strict=True)]
    assert found.codes().tolist() == expected and found.scale.item() == 2.0
    assert found.range.low.item() <= min(expected) and max(expected) <= found.range.high.item()


@pytest.mark.parametrize("operation", [abs, neg, pos])
@pytest.mark.parametrize("wire", WIRES)
def test_every_code(wire: tuple[int, int], operation: Callable[[Any], Any]) -> None:
    x = codes(*wire, 0.1)
    found, expected = operation(x), operation(x.codes())
    assert torch.equal(found.codes(), expected)
    assert (found.range.low.item(), found.range.high.item()) == (int(expected.min()), int(expected.max()))


def test_scales_that_differ_do_not_add_up() -> None:
    for operation in (add, sub):
        with pytest.raises(BadOption, match="sum of unequal scales; quantize both operands with one quantizer"):
            operation(codes(0, 5, 0.1), codes(0, 5, 0.2))


def test_widths_and_gradients() -> None:
    width = torch.tensor(4.0, requires_grad=True)
    x = QuantTensor.of(torch.tensor([0.5], requires_grad=True), torch.tensor(0.25), width, signed=True)
    assert x.bit_width.item() == 4 and x.signed and x.range.low.item() == -8
    (x + x).bit_width.backward()
    assert width.grad is not None and width.grad > 0
    x.int().sum().backward()
    assert x.value.grad is not None and x.value.grad.item() == 4  # as if nothing were rounded
    assert not x.detach().value.requires_grad and not x.detach().bit_width.requires_grad
