"""Layers that multiply, as integer operations: the weights that they hold, and the unit of their sums."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import hwcost
from hwcost.errors import UnknownPrecision
from hwcost.integer import IntegerNetwork
from hwcost.integer.network import IntegerStep
from hwcost.integer.operations import Chain, Multiply, Register, Sums
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedScale,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantScaleBias,
    const_input,
    const_weight,
)


def lowered(layer: nn.Module, *shape: int, front: nn.Module | None = None) -> IntegerStep:
    net = nn.Sequential(front or QuantIdentity(const_input(bits=4, max_val=7.5)), layer).eval()
    return IntegerNetwork.of(hwcost.trace(net, torch.zeros(1, *shape))).steps[-1]


def weight(**options: object) -> IntQuantizer:
    return IntQuantizer(bits=4, scale=ConstScale(1.75), narrow=True, **options)  # type: ignore[arg-type]


def test_a_linear_layer_holds_its_codes_and_counts_in_products_of_steps() -> None:
    layer = QuantLinear(3, 2, bias=False, weight_quant=weight())
    layer.weight.data = torch.tensor([[0.25, -0.5, 1.75], [1.0, 0.0, -9.0]])
    step = lowered(layer, 3)
    assert isinstance(step.operation, Chain)
    (sums,) = step.operation.parts
    assert isinstance(sums, Sums) and sums.weight.tolist() == [[1, -2, 7], [4, 0, -7]] and sums.bias is None
    assert step.meaning is not None and step.meaning.plain_step().item() == 0.5 * 0.25


def test_an_integer_bias_and_a_register_are_in_the_unit_of_the_sum() -> None:
    front = QuantIdentity(source := const_input(bits=4, max_val=7.5))
    layer = QuantLinear(
        2, 1, weight_quant=weight(), bias_quant=BiasQuantizer(bits=6), source=source,
        accumulator=Accumulator(bits=5, mode="truncate"),
    )  # fmt: skip
    layer.weight.data, layer.bias.data = torch.tensor([[1.75, 1.75]]), torch.tensor([1.0])  # type: ignore[union-attr]
    step = lowered(layer, 2, front=front)
    sums, register = step.operation.parts  # type: ignore[attr-defined] # a chain
    assert isinstance(sums, Sums) and sums.bias is not None and sums.bias.tolist() == [8]  # 1.0 in units of 0.125
    assert isinstance(register, Register) and register.mode == "truncate"
    assert step.meaning is not None and step.meaning.plain_step().item() == 0.125 * 2**register.shift
    x = torch.tensor([[15, 15]])
    assert step.operation(x).item() == (15 * 7 * 2 + 8) >> register.shift


def test_a_transposed_convolution_is_a_plain_one_over_a_spread_image() -> None:
    layer = QuantConvTranspose2d(2, 4, 3, stride=2, groups=2, bias=False, weight_quant=weight())
    step = lowered(layer, 2, 3, 3)
    codes = layer.weight_quant.integers(layer.weight)  # type: ignore[union-attr] # quantized
    (sums,) = step.operation.parts  # type: ignore[attr-defined]
    assert sums.spread == (2, 2) and sums.stride == (1, 1) and sums.groups == 2
    x = torch.randint(0, 16, (2, 2, 3, 3))
    wanted = nn.functional.conv_transpose2d(x.double(), codes.double(), stride=2, groups=2)
    assert torch.equal(step.operation(x), wanted.long())


def per_channel() -> nn.Module:
    return QuantIdentity(
        IntQuantizer(bits=4, scale=LearnedScale(torch.tensor([1.5, 3.0]).reshape(1, 2, 1, 1)), signed=False)
    )


def test_channels_with_scales_of_their_own_stay_apart() -> None:
    layer = QuantConv2d(2, 4, 1, groups=2, bias=False, weight_quant=weight())
    step = lowered(layer, 2, 3, 3, front=per_channel())
    assert step.meaning is not None
    torch.testing.assert_close(step.meaning.channel_step(), torch.tensor([0.1, 0.1, 0.2, 0.2]).double() * 0.25)
    with pytest.raises(UnknownPrecision, match="which no sum over channels can factor out"):
        lowered(QuantConv2d(2, 4, 1, bias=False, weight_quant=weight()), 2, 3, 3, front=per_channel())


def test_factors_per_channel() -> None:
    layer = QuantScaleBias(2, weight_quant=const_weight(bits=4, per_channel=False))
    layer.weight.data, layer.bias.data = torch.tensor([0.7, -0.2]), torch.tensor([0.5, -0.5])  # type: ignore[union-attr]
    step = lowered(layer, 2, 3, 3)
    (multiply,) = step.operation.parts  # type: ignore[attr-defined]
    assert isinstance(multiply, Multiply) and multiply.factor.flatten().tolist() == [7, -2]
    assert step.meaning is not None and step.meaning.offset.tolist() == [0.5, -0.5]
    torch.testing.assert_close(step.meaning.step, torch.tensor(0.5 * 0.1).double())
