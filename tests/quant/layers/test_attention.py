"""Attention on integers follows nn.MultiheadAttention, value and gradient, and refuses what has no hardware."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from sequence_networks import grid
from torch import nn

from hwcost.errors import BadOption
from hwcost.quant import QuantMultiheadAttention, const_activation, const_weight


def attention(**options: Any) -> QuantMultiheadAttention:
    return QuantMultiheadAttention(
        16,
        2,
        8,
        weight_quant=partial(const_weight, bits=10),
        activation=partial(const_activation, bits=10, signed=True, max_val=4.0),
        input_quant=grid(10),
        **{"bits": 4, "table_bits": 10, "inverse_bits": 12, "index_bits": 8, "score_bits": 10} | options,
    )


def test_values_and_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    wanted, layer = nn.MultiheadAttention(16, 2, batch_first=True), attention()
    with torch.no_grad():
        wanted.in_proj_bias.normal_(0, 0.1)
        for name, rows, bias in zip("qkv", wanted.in_proj_weight.chunk(3), wanted.in_proj_bias.chunk(3), strict=True):
            layer.get_submodule(f"{name}_proj").weight.copy_(rows)
            layer.get_submodule(f"{name}_proj").bias.copy_(bias)
        layer.out_proj.load_state_dict(wanted.out_proj.state_dict())
    x = torch.randn(4, 8, 16, requires_grad=True)
    y, z = layer(x, x, x)[0], wanted(x, x, x)[0]
    assert float((y - z).abs().max().detach()) < 0.02 * float(z.abs().max().detach())
    (found,), (exact,) = torch.autograd.grad((y**2).sum(), x), torch.autograd.grad((z**2).sum(), x)
    assert float((found - exact).abs().max()) < 0.05 * float(exact.abs().max())


def test_masks_and_sizes_that_do_not_fit_are_refused() -> None:
    layer, x = attention(), torch.zeros(1, 8, 16)
    with pytest.raises(BadOption, match="masks"):
        layer(x, x, x, is_causal=True)
    with pytest.raises(BadOption, match="divides"):
        QuantMultiheadAttention(16, 3, 8, weight_quant=const_weight, activation=const_activation)
    with pytest.raises(BadOption, match="softmax='max'"):
        attention(softmax="max")
