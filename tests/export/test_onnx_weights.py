"""Layers that multiply, as nodes: weights, and biases on the grid of their sums."""

from __future__ import annotations

import pytest
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

from onnx_check import act, check, weight

from hwcost.quant import (
    BiasQuantizer,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    learned_weight,
)


def test_biases_on_the_grid_of_the_sum() -> None:
    grid = act(5)
    net = nn.Sequential(
        nn.Flatten(),
        QuantLinear(12, 8, bias=False, weight_quant=weight(5)),
        QuantReLU(grid),
        QuantLinear(8, 4, weight_quant=weight(4), bias_quant=BiasQuantizer(), source=grid),
    )
    check(net, (3, 2, 2))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("where", ["source", "input_quant"])
def test_a_multiply_add_per_channel_with_a_bias_on_its_grid(where: str, per_channel: bool) -> None:
    grid = act(4)
    layer = QuantScaleBias(
        4,
        weight_quant=learned_weight(bits=4, per_channel=per_channel),
        bias_quant=BiasQuantizer(bits=7),
        **{where: grid},  # type: ignore[arg-type]
    )
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    assert layer.bias is not None
    nn.init.uniform_(layer.bias, -3.0, 3.0)
    front = QuantReLU(grid if where == "source" else act(8))
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, bias=False, weight_quant=weight()), front, layer, QuantIdentity(act(6, signed=True))
    )
    check(net, (3, 6, 6))


def test_a_bias_is_clipped_where_the_register_behind_the_input_quantizer_ends() -> None:
    layer = QuantLinear(12, 4, weight_quant=weight(3), input_quant=act(2), bias_quant=BiasQuantizer())
    nn.init.constant_(layer.bias, 1e4)
    check(nn.Sequential(nn.Flatten(), QuantReLU(act(8)), layer), (3, 2, 2))


@pytest.mark.parametrize(("groups", "per_channel"), [(1, False), (1, True), (2, False)])
def test_transposed_convolutions(groups: int, per_channel: bool) -> None:
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, stride=2, padding=1, bias=False, weight_quant=weight()),
        QuantReLU(act()),
        QuantConvTranspose2d(
            4,
            6,
            3,
            stride=2,
            padding=1,
            output_padding=1,
            groups=groups,
            weight_quant=learned_weight(bits=3, per_channel=per_channel, channel_dim=1),
        ),
        QuantIdentity(act(5, signed=True)),
    )
    check(net, (3, 8, 8))
