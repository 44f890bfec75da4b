"""Constants that join a stream: values, gradients, the hardware they describe, and integers code by code."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

import hwcost
from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Embedding, Pad
from hwcost.graph.ranges import integers, unknown
from hwcost.graph.spec import Adder, Signal, Thresholds
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    IntQuantizer,
    QuantIdentity,
    QuantPosition,
    QuantPrefix,
    RunningScale,
    abs_max,
    const_input,
)

GRID = partial(const_input, bits=5, max_val=4.0, signed=True)
X = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)).double()


def test_positions_are_added_on_the_grid_of_the_stream() -> None:
    torch.manual_seed(0)
    quant, value = GRID(), nn.Parameter(torch.randn(1, 9, 4).double())
    layer = QuantPosition(value, quant, index=(slice(None), slice(2, 8)))
    assert torch.equal(layer(X), quant(X) + quant(value[:, 2:8]))
    torch.autograd.backward([layer(X).sum()])
    assert value.grad is not None and bool((value.grad[:, 2:8] == 2).all()) and not value.grad[:, :2].any()
    with pytest.raises(BadOption, match=r"\(1, 9, 4\) added to a batch of shape \(2, 6, 4\)"):
        QuantPosition(value, quant)(X)
    measured = QuantPosition(value.detach()[0, :6], IntQuantizer(bits=5, scale=RunningScale(abs_max, init=1.0)))
    both = measured.train()(X)
    assert float((both - X - value[0, :6].detach()).abs().max()) < 0.3  # one measurement of both


def test_a_token_in_front() -> None:
    quant, value = GRID(), nn.Parameter(torch.randn(1, 2, 4).double())
    layer = QuantPrefix(value, quant)
    y = layer(X)
    assert torch.equal(y[:, 2:], quant(X)) and torch.equal(y[:, :2], quant(value).expand(2, -1, -1))
    with pytest.raises(BadOption, match="LearnedScale"):
        QuantPrefix(value, IntQuantizer(bits=5, scale=RunningScale(abs_max, init=1.0)))(X)


def test_their_hardware_is_thresholds_a_memory_and_adders_or_counters() -> None:
    wire = Signal(range=integers(9, signed=True), shape=(6, 4), channels_last=True)
    blocks = QuantPosition(torch.zeros(1, 6, 4), GRID()).describe(wire, shape=(6, 4)).blocks
    assert [type(block) for block in blocks] == [Thresholds, Embedding, Adder]
    memory = blocks[1]
    assert isinstance(memory, Embedding) and (memory.rows, memory.channels, memory.vectors) == (6, 4, 6)
    spec = QuantPrefix(torch.zeros(1, 2, 4), GRID()).describe(wire, shape=(8, 4))
    assert [type(block) for block in spec.blocks] == [Thresholds, Embedding, Pad]
    assert spec.output.shape == (8, 4) and spec.output.channels_last
    for layer in (QuantPosition(torch.zeros(1, 6, 4), GRID()), QuantPrefix(torch.zeros(1, 2, 4), GRID())):
        with pytest.raises(UnknownPrecision, match="no width"):
            layer.describe(Signal(range=unknown(), shape=(6, 4)), shape=(6, 4))
    with pytest.raises(UnknownPrecision, match="last dimension"):
        QuantPrefix(torch.zeros(1, 2, 4), GRID()).describe(
            Signal(range=integers(9, signed=True), shape=(4, 6)), shape=(4, 8)
        )


def test_integers_are_those_of_the_values_after_training_too() -> None:
    torch.manual_seed(0)
    enter = QuantIdentity(const_input(bits=8, max_val=3.0, signed=True))
    place = nn.Parameter(torch.randn(1, 10, 4))
    net = nn.Sequential(enter, QuantPrefix(nn.Parameter(torch.randn(1, 2, 4)), GRID()))
    net.append(QuantPosition(place, GRID(), index=(slice(None), slice(0, 8)))).double().eval()
    pipeline = hwcost.trace(net, X[:1])
    for _ in range(2):
        whole = IntegerNetwork.of(pipeline)
        assert torch.equal(whole.values(X), net(X).detach())
        with torch.no_grad():
            place += 0.5  # a traced pipeline reads it live
