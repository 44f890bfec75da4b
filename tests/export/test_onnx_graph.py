"""Graphs under construction: unique names, and plain nodes that compute what a Quant node does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_graph import OPSET, Graph, Plain, along


def run(graph: Graph, output: str, x: Tensor) -> Tensor:
    model = graph.model({"x": tuple(x.shape[1:])}, {output: tuple(x.shape[1:])})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return torch.cat([torch.from_numpy(session.run(None, {"x": one[None].numpy()})[0]) for one in x])


X = torch.linspace(-3, 3, 240).reshape(20, 3, 4)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("low", "high", "bits"), [(-8, 7, 4), (-7, 7, 4), (0, 15, 4), (0, 255, 8), (-2048, 2047, 12)])
def test_a_quant_node_in_plain_nodes(low: int, high: int, bits: int, per_channel: bool) -> None:
    step = torch.tensor([[[0.2], [0.5], [0.01]]]) if per_channel else torch.tensor(0.2)
    graph = Plain()
    found = run(graph, graph.quant("x", layer="act", step=step, low=low, high=high, bits=bits), X)
    torch.testing.assert_close(found, torch.round(X / step).clamp(low, high) * step)


def test_bipolar_and_truncating_nodes() -> None:
    graph = Plain()
    found = run(graph, graph.bipolar("x", layer="act", step=torch.tensor(0.5)), X)
    assert torch.equal(found, torch.where(X < 0, -0.5, 0.5))
    graph = Plain()
    whole = torch.arange(-30, 30).reshape(20, 3, 1).float() * 0.25
    found = run(graph, graph.trunc("x", layer="pool", step=torch.tensor(0.25), bits=6, shift=2), whole)
    assert torch.equal(found, torch.floor(whole / 0.25 / 4) * 0.25)


def test_names_are_given_once() -> None:
    graph = Graph()
    assert [graph.name("conv"), graph.name("conv"), graph.name("fc")] == ["conv", "conv_2", "fc"]
    assert graph.constant([1, -1], "shape") == "shape" and graph.constant(2.0, "shape") == "shape_2"
    kinds = [onnx.numpy_helper.to_array(one).dtype for one in graph.constants]
    assert kinds == [np.int64, np.float32]
    assert graph.add("Relu", "x", layer="act") == "act.Relu" != graph.add("Relu", "x", layer="act")


def test_domains_are_those_that_are_used() -> None:
    for graph, domains in ((Graph(), ["", "qonnx.custom_op.general"]), (Plain(), [""])):
        model = graph.model({"x": (4,)}, {graph.add("Relu", "x", layer="act"): (4,)})
        assert [one.domain for one in model.opset_import] == domains and model.opset_import[0].version == OPSET


def test_one_number_per_channel() -> None:
    assert along(torch.ones(()), 4).shape == () and along(torch.ones(3), 4).shape == (1, 3, 1, 1)
    assert along(torch.ones(3), 2).shape == (1, 3)


@pytest.mark.parametrize(
    ("low", "high", "rounding", "zero", "expected"),
    [
        (0, 6, "HALF_EVEN", 0, (0, 1, 3, 0, "ROUND")),
        (-18, 12, "FLOOR", 3, (0, 1, 5, 18, "FLOOR")),
        (-8, 7, "CEIL", 0, (0, 0, 4, 8, "CEIL")),
        (-7, 8, "HALF_UP", -1, (1, 0, 4, -1, "HALF_UP")),
    ],
)
def test_codes_of_any_range_by_a_zero_point(low: int, high: int, rounding: str, zero: int, expected: object) -> None:
    graph = Graph()
    graph.activation("x", layer="a", step=torch.tensor(0.5), low=low, high=high, rounding=rounding, zero=zero)
    (node,) = graph.nodes
    numbers = {one.name: float(numpy_helper.to_array(one)) for one in graph.constants}
    told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    found = (
        told["signed"],
        told["narrow"],
        numbers["a.bit_width"],
        numbers["a.zero_point"],
        told["rounding_mode"].decode(),
    )
    assert found == expected
    with pytest.raises(UnknownOperation, match="codes from 0 to 67, FLOOR: no Quant node has them"):
        graph.activation("x", layer="a", step=torch.tensor(0.5), low=0, high=67, rounding="FLOOR", zero=0)
    with pytest.raises(UnknownOperation, match="rounds FLOOR with zero point 0; standard nodes round half to even"):
        Plain().activation("x", layer="a", step=torch.tensor(0.5), low=0, high=67, rounding="FLOOR", zero=0)
    with pytest.raises(UnknownOperation, match="standard nodes count no thresholds"):
        Plain().thresholds("x", layer="a", edges=torch.zeros(1, 1), step=1.0, low=0, bipolar=False, rank=2)
