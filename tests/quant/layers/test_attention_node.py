"""Attention as one node: codes are those of its layers one by one, gradients those of torch."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from hwcost.quant import QuantMultiheadAttention, const_activation, const_weight
from hwcost.quant.layers.attention_node import AttendedHeads


def attention(width: int = 8, **options: Any) -> QuantMultiheadAttention:
    torch.manual_seed(0)
    activation = partial(const_activation, bits=width, signed=True, max_val=3.0)
    return QuantMultiheadAttention(8, 2, 6, weight_quant=const_weight, activation=activation, **options)


def streams(layer: QuantMultiheadAttention) -> list[torch.Tensor]:
    grids = [layer.get_submodule(f"{name}_quant") for name in ("q", "k", "v")]
    return [grid(2 * torch.randn(3, 6, 8).to(next(layer.parameters()).dtype)).detach() for grid in grids]


@pytest.mark.parametrize("softmax", ["exp", "pow2"])
@pytest.mark.parametrize("width", [4, 8, 12])
def test_codes_are_those_of_the_layers_one_by_one(softmax: str, width: int) -> None:
    layer = attention(width, softmax=softmax)
    narrow = streams(layer)
    unit = layer._rule(narrow[0]).unit
    codes = torch.round(AttendedHeads.apply(*narrow, layer._rule(narrow[0])) / unit)
    layer = layer.double()
    q, k, v = (x.double() for x in narrow)
    scores = layer.scores(q, k)
    weights = layer.exponential(scores, layer.largest(scores))
    exact = layer.product(layer.context(weights, v), layer.inverse(weights))
    found = AttendedHeads.apply(q, k, v, layer._rule(q))
    assert torch.equal(torch.round(found / unit), torch.round(exact / unit))
    assert torch.equal(torch.round(found / unit).float(), codes)


def test_gradients_are_those_of_torch_and_dropout_is_computed_one_by_one() -> None:
    layer = attention(10, score_bits=12, table_bits=10, index_bits=8, inverse_bits=12, bits=6).double()
    leaves = [x.requires_grad_() for x in streams(layer)]
    heads = [x.reshape(3, 6, 2, 4).transpose(1, 2) for x in leaves]
    wanted = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    found = AttendedHeads.apply(*leaves, layer._rule(leaves[0]))
    assert float((found - wanted).abs().max().detach()) < 0.02
    g = torch.randn(3, 6, 8).double()
    for ours, theirs in zip(torch.autograd.grad(found, leaves, g), torch.autograd.grad(wanted, leaves, g), strict=True):
        assert float((ours - theirs).abs().max()) < 0.02 * float(theirs.abs().max())
    x = torch.randn(3, 6, 8)
    with_dropout = attention(dropout=0.5)
    assert not torch.equal(with_dropout(x, x, x)[0], with_dropout(x, x, x)[0])
    assert torch.equal(with_dropout.eval()(x, x, x)[0], attention()(x, x, x)[0])


def test_numbers_that_are_none_stay_so() -> None:
    layer = attention()
    q, k, v = streams(layer)
    q[0, 0, 0] = float("nan")
    assert AttendedHeads.apply(q.requires_grad_(), k, v, layer._rule(q)).isnan().all()
