"""What a node of a QONNX file says, counted as it is read."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from qonnx_files import node

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node


def test_what_is_left_over_is_refused() -> None:
    made = Node(node("Conv", "x - b", domain="onnx.brevitas", name="c", pads=[1, 1], auto_pad="VALID"), 13)
    assert (made.key, made.name, made.output, made.count()) == ("quantized:Conv", "c", "y", 3)
    with pytest.raises(
        UnknownOperation, match=r"the attribute auto_pad, the attribute pads, input 0 \(x\), input 2 \(b\) w"
    ):
        made.finish()
    assert (made.attribute("auto_pad"), made.integers("pads", [0]), made.attribute("group", 1)) == ("VALID", (1, 1), 1)
    assert made.inputs() == ["x", "", "b"] and made.input(7) == ""
    made.finish()


def test_attributes_that_may_have_one_value() -> None:
    made = Node(node("Gemm", "x w", transA=1), 13)
    made.only(transB=0)
    with pytest.raises(UnknownOperation, match="transA=1; only transA=0 has a layer here"):
        made.only(transA=0)
    assert Node(node("Conv", "x w", domain="qonnx.custom_op.channels_last"), 13).channels_last
    assert Node(node("Conv", "x w", domain="com.example"), 13).key == "com.example:Conv"
