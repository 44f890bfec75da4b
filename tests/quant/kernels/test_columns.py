"""Widths per channel under one threshold: equal to the general form, values and gradients."""

from itertools import product

import pytest
import torch
from torch import Tensor

from hwcost.errors import DivergedTraining
from hwcost.graph.ste import whole_bits
from hwcost.quant.kernels import KINDS, Kind, fake_quant
from hwcost.quant.kernels.columns import Columns, column_quant

SHAPES = (((6, 5), (5,)), ((3, 5, 2, 2), (5, 1, 1)), ((4, 3), ()), ((2, 3), (2, 3)))


def both(kind: Kind, shape: tuple[int, ...], widths: tuple[int, ...]) -> list[list[Tensor]]:
    """(y, dx, d value, d offset) of the kernel and of `fake_quant`, widths from 0 to 6 bits."""
    torch.manual_seed(0)
    start, g = 3 * torch.randn(shape), torch.randn(shape)
    offsets = torch.randint(-6, 7, widths).float() + 0.25
    found = []
    for fused in (True, False):
        x, offset, value = (t.clone().requires_grad_() for t in (start, offsets, torch.tensor(0.7)))
        if fused:
            y = column_quant(x, value, offset, Columns(True, -16.0, 0, 6, kind))
        else:
            power = value.detach().ceil() + (value - value.detach()) if kind.power else value
            bits = whole_bits(offset, base=0, most=6)
            options = {"signed": kind.signed, "narrow": kind.narrow, "power": kind.power}
            y = fake_quant(x, torch.exp2(power), bits, prune=True, **options)
        y.backward(g)
        assert x.grad is not None and value.grad is not None and offset.grad is not None
        found.append([y.detach(), x.grad, value.grad, offset.grad])
    return found


@pytest.mark.parametrize(
    ("shapes", "kind"), list(product(SHAPES, [k for k in KINDS.values() if k.signed or not k.narrow]))
)
def test_equals_the_general_form(shapes: tuple[tuple[int, ...], tuple[int, ...]], kind: Kind) -> None:
    ours, general = both(kind, *shapes)
    for one, other in zip(ours, general, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-5, atol=2e-6)


def test_widths_of_exact_values() -> None:
    x = torch.tensor([[0.3, 0.3, 0.3], [0.9, 0.9, 1.7]])
    y = column_quant(
        x, torch.tensor(1.0), torch.tensor([0.0, 1.0, 3.0]), Columns(False, 0.0, 0, 8, Kind(False, False, True))
    )
    assert y.tolist() == [[0, 0.5, 0.25], [0, 0.5, 0.875]]


def test_a_threshold_below_the_least_only_grows() -> None:
    value, offset = torch.tensor(-20.0, requires_grad=True), torch.tensor([2.0, 3.0])
    for sign in (1, -1):
        value.grad = None
        rule = Columns(True, -16.0, 0, 8, Kind(False, False, True))
        (sign * column_quant(torch.ones(4, 2), value, offset, rule)).sum().backward()
        assert value.grad is not None
        assert (float(value.grad) < 0) == (sign < 0)
        assert float(value.grad) <= 0


def test_a_width_that_is_none_is_refused() -> None:
    with pytest.raises(DivergedTraining, match="NaN"):
        column_quant(
            torch.ones(2, 2),
            torch.tensor(1.0),
            torch.tensor([1.0, torch.nan]),
            Columns(False, 0, 0, 8, Kind(False, False, True)),
        )
