"""ONNX models as tools write them."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import onnx
from onnx import helper
from qonnx_files import QUANTIZED, file

from hwcost.errors import BadData
from hwcost.importers.qonnx_model import load


def test_domains_are_declared_in_a_copy() -> None:
    given = file([QUANTIZED], {}, (2,), out="q", opset=17)
    before = given.SerializeToString()
    made, opset = load(given, "net.onnx")
    assert opset == 17 and {one.domain for one in made.opset_import} == {"", "qonnx.custom_op.general"}
    assert given.SerializeToString() == before


def test_what_is_no_model_is_one_error() -> None:
    given = file([QUANTIZED], {}, (2,), out="q")
    given.graph.node.append(helper.make_node("Relu", ["nowhere"], ["z"]))
    with pytest.raises(BadData, match=r"net\.onnx: no ONNX model \(Nodes in a graph must be topologically sorted"):
        load(given, "net.onnx")
    with pytest.raises(BadData, match="no ONNX model"):
        load(onnx.ModelProto(), "net.onnx")
