"""Streams of a graph: their grids are those of the network, and what has none is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

import onnx
from onnx_check import STEP
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.cleanup import cleanup_model

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_graph import Graph
from hwcost.export.onnx_streams import Place, Stream, on_grid, quantized, step_of
from hwcost.export.qonnx import qonnx
from hwcost.graph.ranges import Range, between, binary, integers, ternary
from hwcost.graph.spec import Signal
from hwcost.graph.trace import trace
from hwcost.integer.meaning import Meaning
from hwcost.quant import (
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantAvgPool2d,
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
    binary_weight,
    const_activation,
    const_input,
    const_weight,
    ternary_weight,
)


def test_widths_and_signs_are_those_of_the_network() -> None:
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, bias=False, weight_quant=const_weight(bits=5)),
        QuantReLU(const_activation(bits=3)),
        nn.Flatten(),
        QuantLinear(4 * 36, 2, bias=False, weight_quant=binary_weight()),
    )
    pipeline = trace(net.eval(), torch.zeros(1, 3, 8, 8), input_range=integers(8, signed=False))
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=STEP)))
    found = [
        getCustomOp(node).get_integer_datatype(model).name if node.op_type == "Quant" else "BIPOLAR"
        for node in model.graph.node
        if node.op_type in ("Quant", "BipolarQuant")
    ]
    assert sorted(found) == sorted(["UINT8", "INT5", "UINT3", "BIPOLAR"])


@pytest.mark.parametrize(
    ("wire", "bits", "signed", "narrow"),
    [
        (integers(5, signed=True), 5, 1, 0),
        (integers(5, signed=True, narrow=True), 5, 1, 1),
        (integers(3, signed=False), 3, 0, 0),
        (ternary(), 2, 1, 1),
        (between(0, 0), 1, 0, 0),
    ],
)
def test_a_wire_is_one_node(wire: Range, bits: int, signed: int, narrow: int) -> None:
    graph = Graph()
    assert on_grid(graph, "x", "act", torch.tensor(0.5), wire) == "act.Quant"
    (node,) = graph.nodes
    options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    numbers = {one.name: float(onnx.numpy_helper.to_array(one)) for one in graph.constants}
    assert (options["signed"], options["narrow"], options["rounding_mode"]) == (signed, narrow, b"ROUND")
    assert numbers == {"act.scale": 0.5, "act.zero_point": 0.0, "act.bit_width": bits}


def test_a_bipolar_wire_has_a_node_of_its_own() -> None:
    graph = Graph()
    on_grid(graph, "x", "act", torch.tensor(0.5), binary())
    assert [node.op_type for node in graph.nodes] == ["BipolarQuant"]


def stream(*shape: int, step: float | None = None) -> Stream:
    meaning = None if step is None else Meaning(step=torch.tensor(step).double(), offset=torch.zeros(()).double())
    return Stream(tensor="x", signal=Signal(range=integers(4, signed=False), shape=shape), meaning=meaning)


def test_the_step_that_enters_a_layer() -> None:
    layer = QuantAvgPool2d(2, source=const_input(bits=4, max_val=3.0))
    assert step_of(layer, stream(1, 4, 4, step=0.25)).item() == 0.25
    assert step_of(layer, stream(1, 4, 4)).item() == pytest.approx(0.2)
    for source in (None, IntQuantizer(bits=4, scale=LearnedScale(torch.ones(1, 2, 1, 1)))):
        with pytest.raises(UnknownOperation, match="needs one step for all that enters; give source="):
            step_of(QuantAvgPool2d(2, source=source), stream(2, 4, 4))


@pytest.mark.parametrize(
    ("quantizer", "message"),
    [
        (IntQuantizer(bits=4, scale=StatScale(abs_max)), "its scale is a statistic of the data"),
        (ternary_weight(threshold=0.3), "its scale is a statistic|a dead band of 0.3 scales"),
        (IntQuantizer(bits=LearnedBits(4, shape=(1, 2, 1, 1)), scale=LearnedScale(1.0)), "clip at codes of their own"),
    ],
)
def test_activations_without_a_node_are_named(quantizer: Any, message: str) -> None:
    if isinstance(bits := getattr(quantizer, "bits", None), LearnedBits):
        bits.offset.data.reshape(-1)[0] += 2
    place = Place(graph=Graph(), layer="act", output=stream(2, 4, 4).signal)
    with pytest.raises(UnknownOperation, match=message):
        quantized(quantizer, stream(2, 4, 4), "x", place)
