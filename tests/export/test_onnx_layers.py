"""Every kind of layer as nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

import onnxruntime
from onnx_check import STEP, act, check, pixels, weight
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_layers import WRITERS
from hwcost.export.qonnx import plain_onnx, qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.trace import trace
from hwcost.integer import LOWERINGS
from hwcost.quant import (
    HadamardClassifier,
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantSigmoid,
    QuantTanh,
    binary_weight,
    const_input,
    ternary_weight,
)


class Merging(nn.Module):
    """Every merge and every average."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = act(5, signed=True)
        self.enter = QuantConv2d(3, 6, 3, padding=1, bias=False, weight_quant=weight(6))
        self.norm, self.first = nn.BatchNorm2d(6), QuantIdentity(self.grid)
        self.inner = QuantConv2d(6, 6, 3, padding="same", groups=3, weight_quant=weight())
        self.add, self.relu = QuantAdd(self.grid, ready=(0,)), QuantReLU(act())
        self.pool = nn.MaxPool2d(2)
        self.left = QuantConv2d(6, 4, 1, weight_quant=ternary_weight())
        self.right = QuantConv2d(6, 4, 1, weight_quant=binary_weight())
        self.join = QuantConcat(act(4))
        self.mean = QuantAvgPool2d(2, source=self.join.quants[0], corrected=True)
        self.fc = QuantLinear(8 * 4, 5, weight_quant=weight(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.norm(self.enter(x)))
        x = self.pool(self.relu(self.add(x, self.inner(x))))
        return self.fc(self.mean(self.join(self.left(x), self.right(x))).flatten(1))


class Sequence(nn.Sequential):
    """One dimension, saturating functions, wide codes."""

    def __init__(self) -> None:
        super().__init__(
            QuantConv1d(2, 4, 3, stride=2, bias=False, weight_quant=weight(10)),
            QuantTanh(const_input(bits=9, signed=True)),
            QuantConv1d(4, 4, 3, dilation=2, weight_quant=weight(3)),
            QuantSigmoid(const_input(bits=4)),
            nn.MaxPool1d(2, stride=1, padding=1),
            nn.Flatten(),
            nn.Dropout(0.5),
            QuantLinear(4 * 4, 3, weight_quant=weight(5)),
        )


@pytest.mark.slow
@pytest.mark.parametrize(("build", "shape"), [(Merging, (3, 8, 8)), (Sequence, (2, 15))])
def test_every_kind_of_node(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    check(build(), shape)


def test_a_classifier_without_stored_weights() -> None:
    net = nn.Sequential(nn.Flatten(), QuantReLU(act(4)), HadamardClassifier(16, 10)).eval()
    pipeline = trace(net, torch.zeros(1, 1, 4, 4), input_range=integers(8, signed=False))
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=STEP)))
    plain = onnxruntime.InferenceSession(plain_onnx(pipeline, input_step=STEP).SerializeToString())
    for x in (pixels((1, 4, 4), 1), torch.zeros(1, 1, 4, 4)):
        with torch.no_grad():
            wanted = net(x)
        found = execute_onnx(model, {model.graph.input[0].name: x.numpy()})[model.graph.output[0].name]
        assert torch.allclose(torch.from_numpy(found), wanted, atol=1e-6)
        assert torch.allclose(torch.from_numpy(plain.run(None, {"input": x.numpy()})[0]), wanted, atol=1e-6)


def test_what_runs_on_integers_has_nodes() -> None:
    """All but the choice of a label, which other tools make of the scores, and layers on sequences, refused by name."""
    sequences = {"RowMean", "RowDifference", "RowProduct", "RowInverse", "GRUUnit", "LSTMUnit"}
    sequences |= {"RowMax", "HeadContext", "ScoreExp", "HeadScores", "QuantEmbedding", "QuantPosition", "QuantPrefix"}
    without = {str(getattr(key, "__name__", key)) for key in LOWERINGS.keys() - WRITERS.keys()}
    assert without <= {"argmax"} | sequences


def test_unsigned_activations_stand_behind_a_relu() -> None:
    """FINN's QuantIdentityHandler refuses unsigned Quant nodes, and none of its handlers takes one behind a MatMul."""
    signed = QuantIdentity(const_input(bits=4, signed=True))
    net = nn.Sequential(QuantLinear(8, 6, bias=False, weight_quant=weight()), QuantReLU(act(3)), signed).eval()
    nodes = qonnx(trace(net, torch.zeros(1, 8), input_range=integers(4, signed=True)), input_step=STEP).graph.node
    before = {name: node.op_type for node in nodes for name in node.output}
    unsigned = [
        node for node in nodes if node.op_type == "Quant" and not {a.name: a.i for a in node.attribute}["signed"]
    ]
    assert [before[node.input[0]] for node in unsigned] == ["Relu"]
    assert [node.op_type for node in nodes].count("Relu") == 1


def test_a_function_that_onnx_does_not_name_is_refused() -> None:
    class Cube(QuantIdentity):
        def function(self, x: Tensor) -> Tensor:
            return x**3

    net = nn.Sequential(Cube(const_input(bits=4, signed=True)))
    with pytest.raises(UnknownOperation, match=r"0: Cube"):
        qonnx(trace(net, torch.zeros(1, 4)))
