"""A stack against its parts, one autograd node each, and against nothing but torch for its input."""

import torch

from hwcost.quant.kernels.columns import Columns, column_quant
from hwcost.quant.kernels.dense import Dense, Rules
from hwcost.quant.kernels.rows import Rows, row_quant
from hwcost.quant.kernels.stack import dense_stack
from hwcost.quant.kernels.tensor import Kind

WEIGHTS, INPUTS = Kind(True, True, True), Kind(False, False, True)


def test_two_layers_are_their_quantizers_and_products() -> None:
    torch.manual_seed(1)
    layers = [
        Dense(
            torch.tensor(1.2).requires_grad_(),
            (torch.rand(size[1]) * 5).requires_grad_(),
            torch.randn(size).requires_grad_(),
            (torch.rand(size) * 8).requires_grad_(),
            None,
        )
        for size in ((4, 6), (3, 4))
    ]
    x = (2 * torch.randn(11, 6)).requires_grad_()
    rules = Rules((Columns(True, -16.0, 0, 6, INPUTS),) * 2, Columns(False, 2.0**-16, 0, 8, WEIGHTS), True)
    out = dense_stack(x, rules, layers)
    parts = x
    for layer in layers:
        entering = column_quant(parts, layer.value, layer.offset, Columns(True, -16.0, 0, 6, INPUTS))
        parts = entering @ row_quant(layer.weight, layer.widths, Rows(True, 2.0**-16, 0, 8, WEIGHTS)).T
    assert torch.equal(out, parts)
    leaves = [x, *(one for layer in layers for one in layer if one is not None)]
    slope = torch.randn_like(out)
    for mine, theirs in zip(
        torch.autograd.grad(out, leaves, slope), torch.autograd.grad(parts, leaves, slope), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


def test_only_what_is_asked_for_has_a_gradient() -> None:
    weight = torch.randn(2, 3).requires_grad_()
    layer = Dense(torch.ones(()), torch.ones(3), weight, torch.full((2, 3), 4.0), None)
    rules = Rules((Columns(True, -16.0, 0, 6, INPUTS),), Columns(False, 2.0**-16, 0, 8, WEIGHTS), False)
    out = dense_stack(torch.rand(5, 3), rules, [layer])
    out.sum().backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert weight.grad is not None and layer.widths.grad is None and layer.value.grad is None
