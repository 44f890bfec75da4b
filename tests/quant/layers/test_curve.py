"""Activations of any shape: where they are thresholds, and where tables."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hwcost.errors import HwcostError
from hwcost.graph.blocks import Table
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Signal, Thresholds
from hwcost.quant import Exp, IntQuantizer, QuantActivation, QuantIdentity, QuantPReLU, learned_activation

WIDE, NARROW = integers(16, signed=True), integers(6, signed=True)


def out(bits: int = 4) -> IntQuantizer:
    return learned_activation(bits=bits, signed=True)


def kinds(layer: QuantIdentity, signal: Signal) -> list[type[Block]]:
    return [type(block) for block in layer.describe(signal, shape=signal.shape).blocks]


def test_what_rises_is_thresholds_and_a_table_where_that_is_less() -> None:
    leaky = QuantActivation(nn.LeakyReLU(0.1), out())
    assert kinds(leaky, Signal(range=WIDE, shape=(4,))) == [Thresholds]
    assert kinds(leaky, Signal(range=NARROW, shape=(4,))) == [Table]
    assert kinds(leaky, Signal(range=NARROW, shape=(4,), affine="BatchNorm1d")) == [Thresholds]
    assert kinds(QuantPReLU(out(), 4), Signal(range=NARROW, shape=(4,))) == [Thresholds]


def test_what_falls_is_a_table_of_codes() -> None:
    quantized = QuantActivation(nn.GELU(), out(), input_quant=out(6))
    assert kinds(quantized, Signal(range=WIDE, shape=(4,), affine="BatchNorm1d")) == [Thresholds, Table]
    assert kinds(QuantActivation(Exp(), out()), Signal(range=NARROW, shape=(4,))) == [Table]
    assert not QuantActivation(nn.LeakyReLU(-0.1), out()).rises


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (Signal(range=integers(20, signed=True), shape=(4,)), "give the layer an input_quant="),
        (Signal(range=NARROW, shape=(4,), affine="BatchNorm1d"), "input_quant="),
    ],
)
def test_a_table_needs_few_codes(signal: Signal, message: str) -> None:
    with pytest.raises(HwcostError, match=message):
        QuantActivation(nn.GELU(), out()).describe(signal, shape=(4,))


def test_slopes_are_powers_of_two_and_learn() -> None:
    layer = QuantPReLU(None, 3, init=0.3)
    x = -torch.ones(1, 3)
    y = layer(x)
    assert y.tolist() == [[-0.25] * 3]
    y.sum().backward()  # type: ignore[no-untyped-call] # of torch
    assert layer.weight.grad is not None and bool((layer.weight.grad != 0).all())


def test_a_function_that_is_none_is_refused() -> None:
    with pytest.raises(HwcostError, match="give a module"):
        QuantActivation(torch.exp, out())  # type: ignore[arg-type] # on purpose
    with pytest.raises(HwcostError, match="use QuantPReLU"):
        QuantActivation(nn.PReLU(), out())
