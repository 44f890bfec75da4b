"""Arithmetic of a QONNX file."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from typing import Any

import numpy as np
from qonnx_files import QUANTIZED, computed, node, quant, read

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.integer import IntegerNetwork
from hwcost.quant import QuantScaleBias, ShiftAdd

X = torch.tensor([[0.5, -0.25], [1.0, 1.5]])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("constant", [4.0, [2.0, 4.0], -2.0])
def test_a_stream_and_a_constant(op: str, first: bool, constant: Any) -> None:
    nodes = [QUANTIZED, node(op, "c q" if first else "q c")]
    if op == "Div" and first:
        with pytest.raises(UnknownOperation, match="divides by a stream"):
            read(nodes, {"c": constant}, (2,))
        return
    number = torch.tensor(constant)
    left, right = (number, X) if first else (X, number)
    wanted = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div}[op](left, right)
    torch.testing.assert_close(computed(read(nodes, {"c": constant}, (2,)), X), wanted)


def test_one_quantized_factor_per_channel() -> None:
    net = read(
        [QUANTIZED, quant("w quarter zero four", "f"), node("Mul", "f q")], {"w": [[[0.5]], [[1.75]]]}, (2, 1, 2)
    )
    assert isinstance(list(net.layers.values())[-1], QuantScaleBias)
    x = X.reshape(1, 2, 1, 2)
    assert torch.equal(computed(net, x), x * torch.tensor([0.5, 1.75]).reshape(2, 1, 1))
    other = read([QUANTIZED, quant("w quarter zero four", "f"), node("Mul", "f q")], {"w": [0.5, 1.75]}, (2, 1, 2))
    assert torch.equal(computed(other, x), x * torch.tensor([0.5, 1.75]))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Sub", "q q")], "meets two streams; only Add and Mul do"),
        ([node("Relu", "q", "r"), node("Add", "q r")], "not known to be integers of one step"),
        ([quant("x steps zero four", "p"), node("Add", "q p")], "not known to be integers of one step"),
        (
            [quant("x steps zero four", "p"), node("Concat", "q p", axis=1)],
            "joins a stream that no Quant node with one",
        ),
        ([quant("x half zero four", "p"), node("Concat", "q p", axis=1)], "joins integers of unequal steps"),
        ([node("Concat", "q q", axis=2)], "only channels are joined"),
        ([node("Div", "q zero")], "divides by 0"),
        ([node("BatchNormalization", "q one one one one")], r"numbers of shape \(1,\) for a stream of shape"),
    ],
)
def test_what_no_adder_does(nodes: list[object], message: str) -> None:
    numbers = {"steps": [[0.25], [0.5]], "half": 0.5, "one": [1.0]}
    with pytest.raises(UnknownOperation, match=message):
        read([QUANTIZED, *nodes], numbers, (2, 3))  # type: ignore[list-item]


def test_a_bias_of_one_of_two_products_follows_their_sum() -> None:
    nodes = [
        *(QUANTIZED, quant("w quarter zero four", "v"), node("MatMul", "q v", "m"), node("Add", "m b", "n")),
        *(
            quant("w half zero four", "u"),
            node("MatMul", "q u", "k"),
            node("Add", "n k", "s"),
            quant("s quarter zero four", "y"),
        ),
    ]
    net = read(nodes, {"w": np.full((2, 2), 1.5, np.float32), "b": [1.0, 0.5], "half": 0.5}, (2,))
    assert any(isinstance(layer, ShiftAdd) for layer in net.layers.values())
    assert torch.equal(IntegerNetwork.of(trace(net, X)).values(X).float(), computed(net, X))
    assert computed(net, torch.zeros(1, 2)).tolist() == [[1.0, 0.5]]


def test_batch_norms_of_every_rank() -> None:
    for shape in ((2,), (2, 3), (2, 3, 1), (2, 1, 3, 1)):
        nodes = [QUANTIZED, node("BatchNormalization", "q g b m v", epsilon=0.25, momentum=0.9)]
        net = read(nodes, {"g": [2.0, 1.0], "b": [1.0, 0.0], "m": [0.5, 0.0], "v": [0.75, 3.75]}, shape)
        found = (
            computed(net, torch.ones(1, *shape)).flatten(2).mean(-1)
            if len(shape) > 1
            else computed(net, torch.ones(1, 2))
        )
        assert found.tolist() == [[2.0, 0.5]]


@pytest.mark.parametrize(
    ("op", "options", "wanted"),
    [
        ("LeakyRelu", {"alpha": 0.25}, torch.nn.LeakyReLU(0.25)),
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, torch.nn.Hardsigmoid()),
        ("Elu", {}, torch.nn.ELU()),
        ("Exp", {}, torch.exp),
        ("Neg", {}, torch.neg),
    ],
)
def test_functions_of_one_number(op: str, options: dict[str, Any], wanted: Any) -> None:
    net = read([QUANTIZED, node(op, "q", "f", **options), quant("f quarter zero four", "y")], {}, (2,))
    torch.testing.assert_close(computed(net, X), (wanted(X) * 4).round().clamp(-8, 7) / 4)
    assert torch.equal(IntegerNetwork.of(trace(net, X)).values(X).float(), computed(net, X))


def test_slopes_that_are_shifts_and_others() -> None:
    for slope, kind in ((0.25, "QuantPReLU"), (0.3, "PReLU")):
        net = read([QUANTIZED, node("PRelu", "q s", "f"), quant("f quarter zero four", "y")], {"s": [slope]}, (2,))
        assert kind in [type(layer).__name__ for layer in net.layers.values()]
        torch.testing.assert_close(computed(net, X), (torch.where(X < 0, X * slope, X) * 4).round() / 4)


def test_a_gate_of_each_channel() -> None:
    net = read([QUANTIZED, node("GlobalMaxPool", "q", "g"), node("Mul", "g q")], {}, (2, 3, 3))
    x = torch.arange(18.0).reshape(1, 2, 3, 3) / 16
    grid = (x * 4).round() / 4
    assert torch.equal(computed(net, x), grid * grid.amax((2, 3), True))
    assert torch.equal(IntegerNetwork.of(trace(net, x)).values(x).float(), computed(net, x))
