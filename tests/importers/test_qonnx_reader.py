"""The state of a reader between two nodes of a QONNX file."""

from __future__ import annotations

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from onnx import TensorProto, helper

from hwcost.errors import BadData, UnknownOperation
from hwcost.importers.qonnx_quantizers import Affine, integer
from hwcost.importers.qonnx_reader import Reader, constants_of, first_line
from hwcost.quant import QuantLinear


def node(name: str, *inputs: str, output: str):  # type: ignore[no-untyped-def] # onnx has no types
    return helper.make_node("Relu", list(inputs), [output], name=name)


def test_layers_and_calls_in_the_order_of_the_file() -> None:
    reader = Reader({}, {}, ranks={"x": 4})
    reader.add(node("conv.1", "x", output="a"), nn.ReLU(), "x")
    reader.same["b"] = "a"
    reader.add(node("", "b", output="c"), nn.Flatten(), "b")
    assert reader.calls == [("conv_1", ("x",), "a"), ("c", ("a",), "c")] and list(reader.layers) == ["conv_1", "c"]
    assert [reader.rank(name) for name in ("x", "b", "c", "unheard")] == [4, 4, 2, 2]
    assert isinstance(reader.last("b"), nn.ReLU) and reader.last("x") is None
    assert (reader.entering("c"), reader.entering("x")) == ("a", "")
    assert isinstance(reader.norm("a", 3, eps=0.1), nn.BatchNorm2d) and isinstance(
        reader.norm("c", 3, eps=0.1), nn.BatchNorm1d
    )


def test_a_map_that_nothing_takes_up_becomes_a_batch_norm() -> None:
    reader = Reader({}, {})
    reader.add(node("fc", "x", output="a"), QuantLinear(2, 3, weight_quant=None), "x")
    reader.affine["b"] = Affine("a", 2.0, -1.0)
    assert reader.settled("b") == "b" and reader.settled("a") == "a" and not reader.affine
    norm = reader.layers["b_affine"].eval()
    x = torch.randn(4, 3)
    torch.testing.assert_close(norm(x), 2 * x - 1)
    assert reader.calls[-1] == ("b_affine", ("a",), "b")


def test_constants_and_weights() -> None:
    reader = Reader({"w": torch.ones(2, 2)}, {})
    assert reader.number("w").sum() == 4
    with pytest.raises(UnknownOperation, match="v is no constant; run qonnx-cleanup on the file"):
        reader.number("v")
    with pytest.raises(UnknownOperation, match="its weight w has no Quant node, so no width"):
        reader.weight("w")
    reader.quants["w"] = quantizer = integer(torch.tensor(0.5).double(), 4, True, True)
    assert reader.weight("w")[1] is quantizer
    reader.same["y"] = "w"
    reader.passed(node("flat", "y", output="z"))
    assert reader.quants["z"] is quantizer


def test_an_initializer_that_cannot_be_read_is_one_error() -> None:
    good = helper.make_tensor("w", TensorProto.FLOAT, (2,), [1.0, 2.0])
    assert constants_of(helper.make_graph([], "g", [], [], [good]), "net.onnx")["w"].tolist() == [1, 2]
    good.dims[0] = 7
    with pytest.raises(BadData, match=r"net\.onnx: an initializer cannot be read \(ValueError: "):
        constants_of(helper.make_graph([], "g", [], [], [good]), "net.onnx")
    assert first_line(ValueError("one\ntwo")) == "ValueError: one" and first_line(KeyError()) == "KeyError: "
