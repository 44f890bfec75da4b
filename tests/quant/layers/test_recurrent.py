"""Recurrent networks on integers follow those of torch, and the layers behind one another share their grid."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from sequence_networks import WEIGHT, First, grid
from torch import nn

import hwcost
from hwcost.errors import BadOption
from hwcost.graph.spec import MatVec
from hwcost.quant import QuantGRU, QuantLSTM, const_weight

KINDS: dict[str, tuple[Any, Any]] = {"lstm": (QuantLSTM, nn.LSTM), "gru": (QuantGRU, nn.GRU)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_values_and_gradients_are_those_of_torch(kind: str, layers: int) -> None:
    torch.manual_seed(0)
    ours, theirs = KINDS[kind]
    net = ours(
        6, 8, layers, weight_quant=partial(const_weight, bits=10), input_quant=grid(10, power=True), gate_bits=10,
        state_bits=10,
    )  # fmt: skip
    wanted = theirs(6, 8, layers, batch_first=True)
    for number, layer in enumerate(net.layers):
        own = {k.removesuffix(f"_l{number}"): v for k, v in wanted.state_dict().items() if k.endswith(f"_l{number}")}
        layer.load_state_dict(own, strict=False)
    x = torch.randn(5, 12, 6, requires_grad=True)
    y, z = net(x)[0], wanted(x)[0]
    assert float((y - z).abs().max().detach()) < 0.03
    (found,), (exact,) = torch.autograd.grad((y**2).sum(), x), torch.autograd.grad((z**2).sum(), x)
    assert float((found - exact).abs().max()) < 0.1 * float(exact.abs().max())


def test_the_layer_behind_reads_the_grid_of_the_one_in_front() -> None:
    net = First(QuantLSTM(6, 8, 2, weight_quant=WEIGHT, input_quant=grid(power=True)))
    pipeline = hwcost.trace(net, torch.zeros(1, 7, 6))
    units = [layer for layer in pipeline.layers() if layer.blocks]
    assert [[type(block).__name__ for block in layer.blocks].count("MatVec") for layer in units] == [2, 2]
    assert all(isinstance(layer.blocks[-1], MatVec) and layer.blocks[-1].loop > 0 for layer in units)


def test_a_step_that_is_no_power_of_two_and_a_first_state_are_refused() -> None:
    with pytest.raises(BadOption, match="POW2"):
        QuantGRU(6, 8, weight_quant=WEIGHT, input_quant=grid())
    net = QuantGRU(6, 8, weight_quant=WEIGHT, input_quant=grid(power=True))
    with pytest.raises(BadOption, match="zeros"):
        net(torch.zeros(1, 3, 6), torch.zeros(1, 1, 8))
    with pytest.raises(BadOption, match="num_layers"):
        QuantGRU(6, 8, 0, weight_quant=WEIGHT, input_quant=grid(power=True))
