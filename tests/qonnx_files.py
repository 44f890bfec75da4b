"""Small QONNX files, made of nodes and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from hwcost.importers.qonnx import QonnxNetwork, from_qonnx

QONNX = "qonnx.custom_op.general"


def node(op: str, inputs: str, outputs: str = "", **options: Any) -> onnx.NodeProto:
    """A node; names of tensors are separated by spaces, "-" is an absent one."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split() or ["y"], **options)


def quant(inputs: str, output: str, **options: Any) -> onnx.NodeProto:
    """A Quant node of x, scale, zero point and width."""
    return node("Quant", inputs, output, domain=QONNX, **{"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | options)


def file(
    nodes: list[onnx.NodeProto],
    numbers: Mapping[str, Any],
    shape: tuple[int, ...],
    *,
    out: str = "y",
    imports: tuple[tuple[str, int], ...] = (),
    opset: int = 13,
) -> onnx.ModelProto:
    """A model with the constants "zero", "four" (bits), "quarter" (a step), and `numbers`; domains are not declared."""
    known = {"zero": 0.0, "four": 4.0, "quarter": 0.25, **numbers}
    used = {name for each in nodes for name in each.input}
    constants = [
        numpy_helper.from_array(np.asarray(value, None if isinstance(value, np.ndarray) else np.float32), name)
        for name, value in known.items()
        if name in used
    ]
    kind = TensorProto.INT64 if nodes[-1].op_type in ("ArgMax", "TopK") else TensorProto.FLOAT
    ends = (
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info(out, kind, None)],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*each) for each in imports)]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, constants), opset_imports=opsets, ir_version=8)


QUANTIZED = quant("x quarter zero four", "q")
"""The head that the files share: x at a step of 0.25, signed 4 bits."""


def read(
    nodes: list[onnx.NodeProto], numbers: Mapping[str, Any], shape: tuple[int, ...], **options: Any
) -> QonnxNetwork:
    """The network of a file."""
    return from_qonnx(file(nodes, numbers, shape, **options))


def computed(net: QonnxNetwork, x: Tensor) -> Tensor:
    """What leaves, without a gradient."""
    with torch.no_grad():
        return net(x)
