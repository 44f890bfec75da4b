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
