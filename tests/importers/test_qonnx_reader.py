"""The state of a reader between two nodes of a QONNX file."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from qonnx_files import QUANTIZED, computed, node, quant, read

from hwcost import trace
from hwcost.importers.qonnx_quantizers import quantizer_of
from hwcost.importers.qonnx_reader import Reader, features_of, last_of, norm_of_rank
from hwcost.importers.qonnx_values import Codes, Value, number
from hwcost.quant import QuantAffine, QuantConv2d, QuantIdentity, QuantLinear, QuantSigmoid


def reader(shape: tuple[int, ...] = (1, 3), **constants: torch.Tensor) -> Reader:
    made = Reader(constants, Counter({"x": 1}))
    made.values["x"], made.shapes["x"] = Value(tensor="x", shape=shape), shape
    return made


def test_a_map_that_nothing_takes_up_becomes_a_batch_norm() -> None:
    state = reader((1, 3))
    state.values["y"] = state.value("x").scaled(torch.tensor([[2.0, 3.0, 4.0]])).shifted(number(-1))
    made = state.plain("y")
    norm = state.made_by(made)
    assert isinstance(norm, nn.BatchNorm1d) and state.plain("y").tensor == made.tensor
    torch.testing.assert_close(norm(torch.ones(1, 3)), torch.tensor([[1.0, 2.0, 3.0]]))
    assert isinstance(norm_of_rank(5)(2), nn.BatchNorm3d) and last_of(4) == (0, 2, 3, 1)
    assert features_of(nn.Linear(2, 3)) == -1


def test_an_activation_takes_up_one_number_for_all_channels() -> None:
    state = reader((1, 3))
    quantizer = quantizer_of(Codes(step=number(0.25), factor=number(0.25), low=-8, high=7))
    made = state.activated(state.value("x").scaled(number(2)).shifted(number(1)), quantizer, "y")
    layer = state.made_by(made)
    assert isinstance(layer, QuantAffine) and (layer.gain, layer.offset) == (2.0, 1.0)
    grid = state.grid(made.scaled(number(2)))
    assert grid is not None and (float(grid.step), grid.low, grid.high) == (0.5, -8, 7)
    assert state.grid(made.shifted(number(1))) is None
    assert state.plain("x", ordered=True).tensor == "x"


@pytest.mark.parametrize("between", [[], [node("Identity", "a", "i"), node("Identity", "i", "a2")]])
def test_a_bias_is_part_of_the_product_whose_only_reader_adds_it(between: list[object]) -> None:
    end = "a2" if between else "a"
    nodes = [
        *(QUANTIZED, quant("w quarter zero four", "v"), node("MatMul", "q v", "m"), node("Add", "m b", "a"), *between),
        *(quant(f"{end} quarter zero four", "l"), quant(f"{end} quarter zero four", "r"), node("Add", "l r")),
    ]
    net = read(nodes, {"w": torch.ones(2, 2).numpy(), "b": [1.0, 0.25]}, (2,))  # type: ignore[arg-type]
    products = [layer for layer in net.layers.values() if isinstance(layer, QuantLinear)]
    assert len(products) == 1 and products[0].bias is not None
    assert computed(net, torch.zeros(1, 2)).tolist() == [[2.0, 0.5]]


def test_functions_and_clips_in_front_of_a_quantizer_are_part_of_it() -> None:
    net = read([node("Sigmoid", "x", "s"), quant("s quarter zero four", "y", signed=0)], {}, (2,))
    assert [type(layer) for layer in net.layers.values()] == [QuantSigmoid]
    nodes = [node("Clip", "x low high", "c"), quant("c quarter zero four", "y", signed=0)]
    net = read(nodes, {"low": 0.0, "high": 6.0}, (2,))
    assert [type(layer) for layer in net.layers.values()] == [QuantIdentity] and trace(net, torch.zeros(1, 2))
    net = read(nodes, {"low": 0.0, "high": 1.0}, (2,))
    assert computed(net, torch.tensor([[3.0, -1.0]])).tolist() == [[1.0, 0.0]]


def test_the_order_of_axes_is_turned_back_where_a_layer_minds() -> None:
    nodes = [
        QUANTIZED,
        node("Transpose", "q", "t", perm=[0, 3, 2, 1]),
        quant("w quarter zero four", "v"),
        node("Conv", "t v"),
    ]
    net = read(nodes, {"w": torch.eye(4).reshape(4, 4, 1, 1).numpy()}, (2, 3, 4))
    x = torch.arange(24.0).reshape(1, 2, 3, 4) / 16
    assert any(isinstance(layer, QuantConv2d) for layer in net.layers.values())
    torch.testing.assert_close(computed(net, x), ((x * 4).round() / 4).permute(0, 3, 2, 1))
