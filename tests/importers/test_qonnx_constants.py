"""Constants of a QONNX file, and nodes that compute on nothing else."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import numpy as np
from onnx import TensorProto, helper
from qonnx_files import QUANTIZED, computed, node, quant, read

from hwcost.errors import BadData, UnknownOperation
from hwcost.importers.qonnx_constants import constants_of

WEIGHT = np.array([[0.5, -1.0], [1.75, 0.25]], np.float32)


def test_an_initializer_that_cannot_be_read_is_one_error() -> None:
    good = helper.make_tensor("w", TensorProto.FLOAT, (2,), [1.0, 2.0])
    assert constants_of(helper.make_graph([], "g", [], [], [good]), "net.onnx")[0]["w"].tolist() == [1, 2]
    good.dims[0] = 7
    with pytest.raises(BadData, match=r"net\.onnx: an initializer cannot be read \(ValueError: "):
        constants_of(helper.make_graph([], "g", [], [], [good]), "net.onnx")


def test_codes_of_four_bits_are_as_wide_as_their_type() -> None:
    codes = helper.make_tensor("w", TensorProto.INT4, (2, 2), [1, -8, 7, 0])
    found, held = constants_of(helper.make_graph([], "g", [], [], [codes]), "net.onnx")
    assert found["w"].tolist() == [[1, -8], [7, 0]] and (held["w"].low, held["w"].high) == (-8, 7)


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([node("Transpose", "v", "u", perm=[1, 0])], WEIGHT.T),
        ([node("Mul", "v two", "u")], WEIGHT * 2),
        ([node("Div", "v two", "u")], WEIGHT / 2),
        ([node("Mul", "columns v", "u")], WEIGHT * [1, 2]),
        (
            [node("Reshape", "v flat", "f"), node("Unsqueeze", "f nought", "g"), node("Reshape", "g square", "u")],
            WEIGHT,
        ),
    ],
)
def test_a_weight_keeps_its_codes_where_it_is_moved_or_scaled(between: list[object], expected: np.ndarray) -> None:
    numbers = {"w": WEIGHT, "two": 2.0, "columns": [1.0, 2.0], "flat": np.array([4]), "nought": np.array([0])}
    numbers["square"] = np.array([2, 2])
    nodes = [QUANTIZED, quant("w quarter zero four", "v"), *between, node("MatMul", "q u")]
    net = read(nodes, numbers, (2,))  # type: ignore[arg-type]
    torch.testing.assert_close(computed(net, torch.eye(2)), torch.from_numpy(expected.astype(np.float32)))
    assert int(list(net.layers.values())[-1].weight_quant.width()) == 4


@pytest.mark.parametrize("between", [node("Add", "v two", "u"), node("Mul", "v minus", "u"), node("Neg", "v", "u")])
def test_a_weight_that_is_computed_has_no_width(between: object) -> None:
    nodes = [QUANTIZED, quant("w quarter zero four", "v"), between, node("MatMul", "q u")]
    with pytest.raises(UnknownOperation, match="its weight u has no Quant node"):
        read(nodes, {"w": WEIGHT, "two": 2.0, "minus": -1.0}, (2,))  # type: ignore[list-item]


def test_standard_nodes_that_quantize_a_weight() -> None:
    rounded = [
        node("Div", "w quarter", "d"),
        node("Round", "d", "r"),
        node("Clip", "r low high", "c"),
        node("Mul", "c quarter", "u"),
    ]
    signs = [node("Less", "w zero", "l"), node("Where", "l minus one", "u")]
    for nodes, width in ((rounded, 4), (signs, 1)):
        numbers = {"w": WEIGHT, "low": -7.0, "high": 7.0, "minus": -1.0, "one": 1.0}
        net = read([QUANTIZED, *nodes, node("MatMul", "q u")], numbers, (2,))
        quantizer = list(net.layers.values())[-1].weight_quant
        assert int(quantizer.range().bits) == width
