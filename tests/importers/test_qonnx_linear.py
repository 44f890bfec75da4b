"""Quantizers in standard nodes."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import numpy as np
from qonnx_files import QUANTIZED, computed, node, quant, read
from torch import nn

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import plain_onnx
from hwcost.importers.qonnx import from_qonnx
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    QuantAvgPool2d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    binary_weight,
    const_activation,
    const_weight,
)

BYTE, CODE = np.array(0, np.int8), np.array(3, np.uint8)


def sent(net: nn.Module, x: torch.Tensor) -> None:
    """Out in standard nodes and in again: equal values and equal integers."""
    again = from_qonnx(plain_onnx(trace(net.eval(), x)))
    torch.testing.assert_close(again(x), net(x))
    before, after = (IntegerNetwork.of(trace(each, x)).values(x) for each in (net, again))
    torch.testing.assert_close(before, after)


def test_our_own_files_in_standard_nodes_come_back() -> None:
    torch.manual_seed(0)
    first = const_activation(bits=4, max_val=1.0, signed=True)
    grid = const_activation(bits=3, max_val=2.0)
    net = nn.Sequential(
        QuantIdentity(first),
        QuantConv2d(2, 4, 3, padding=1, weight_quant=const_weight(bits=4)),
        nn.BatchNorm2d(4),
        QuantReLU(grid),
        nn.MaxPool2d(2),
        QuantAvgPool2d(2, source=grid),
        nn.Flatten(),
        QuantLinear(4, 3, weight_quant=binary_weight()),
    )
    sent(net, torch.rand(3, 2, 4, 4))
    wide = nn.Sequential(
        QuantIdentity(const_activation(bits=12, max_val=1.0, signed=True)),
        QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=10)),
    )
    sent(wide, torch.rand(3, 4))


def test_a_zero_point_of_quantize_linear_shifts_the_codes() -> None:
    nodes = [node("QuantizeLinear", "x quarter p", "c"), node("DequantizeLinear", "c quarter p")]
    net = read(nodes, {"p": CODE}, (3,))
    assert computed(net, torch.tensor([[-9.0, 0.125, 0.375]])).tolist() == [[-0.75, 0.0, 0.5]]
    assert float(next(iter(net.layers.values())).quant.range().high) == 252


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("QuantizeLinear", "x quarter b", "c"), node("Relu", "c")], "reads the integers of QuantizeLinear"),
        ([node("DequantizeLinear", "x quarter b")], "converts what no QuantizeLinear made"),
        (
            [node("QuantizeLinear", "x quarter b", "c"), node("DequantizeLinear", "c one b")],
            "its scale or zero point is not that of the QuantizeLinear in front",
        ),
        ([node("Round", "x", "r"), node("Mul", "r quarter")], "rounds without bounds"),
        ([node("Less", "x one", "l"), node("Where", "l zero one")], "compares with another number than 0"),
        ([node("Less", "x zero", "l"), node("Where", "l zero one")], "other numbers than -s"),
        ([node("Clip", "x one zero")], "clips to 1..0; give the smaller number first"),
        ([node("Round", "x", "r"), node("Clip", "r zero quarter")], "clips codes to 0..0.25; give whole numbers"),
    ],
)
def test_what_is_no_quantizer_in_standard_nodes(nodes: list[object], message: str) -> None:
    with pytest.raises(UnknownOperation, match=message):
        read(nodes, {"b": BYTE, "one": 1.0}, (2,))  # type: ignore[arg-type]


def test_whole_numbers_are_not_rounded_again() -> None:
    net = read(
        [
            QUANTIZED,
            node("Div", "q quarter", "d"),
            node("Round", "d", "r"),
            node("Mul", "r quarter", "m"),
            quant("m quarter zero four", "y"),
        ],
        {},
        (2,),
    )
    assert [type(layer).__name__ for layer in net.layers.values()] == ["QuantIdentity", "QuantIdentity"]
    assert computed(net, torch.tensor([[0.3, 9.0]])).tolist() == [[0.25, 1.75]]


@pytest.mark.parametrize(("op", "wanted"), [("Floor", [-0.5, 0.5]), ("Ceil", [0.0, 1.0]), ("Round", [0.0, 1.0])])
def test_a_rounding_behind_codes_has_their_range(op: str, wanted: list[float]) -> None:
    """-0.25 and 0.75 times 2 are -0.5 and 1.5; a step of 0.5 stands for each whole number."""
    nodes = [QUANTIZED, node("Mul", "q two", "d"), node(op, "d", "r"), node("Mul", "r half")]
    net = read(nodes, {"two": 2.0, "half": 0.5}, (2,))
    assert computed(net, torch.tensor([[-0.25, 0.75]])).tolist() == [wanted]
    assert float(list(net.layers.values())[-1].quant.range().low) == -4
