"""Nodes of a QONNX file as layers; all that have none are named at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import onnx
from onnx import TensorProto, helper, numpy_helper

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import qonnx
from hwcost.importers.qonnx import from_qonnx
from hwcost.importers.qonnx_ops import READERS
from hwcost.quant import (
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    learned_activation,
    learned_weight,
)


def model(*nodes: onnx.NodeProto, shape: tuple[int, ...] = (4,)) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape]) for name in ("x", nodes[-1].output[0])]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_every_unknown_node_is_named_at_once(tmp_path: Path) -> None:
    chain = [
        helper.make_node("Sin", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="middle"),
        helper.make_node("Erf", ["x"], ["c"], name="second"),
        helper.make_node("Add", ["b", "c"], ["d"], name="last"),
    ]
    onnx.save(model(*chain), tmp_path / "net.onnx")
    with pytest.raises(UnknownOperation) as told:
        from_qonnx(tmp_path / "net.onnx")
    assert re.findall(r"(?m)^(\w+) \(", str(told.value)) == ["first", "second"]


def test_a_float_weight_has_no_width(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")
    made = model(node)
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [4, 4], [1.0] * 16))
    onnx.save(made, tmp_path / "net.onnx")
    with pytest.raises(UnknownOperation, match="has no Quant node"):
        from_qonnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("form", ["MatMul", "Gemm", "Transpose"])
def test_matrices_either_way_round(form: str, tmp_path: Path) -> None:
    """Brevitas quantizes (outputs, inputs) and turns it afterwards; others write (inputs, outputs)."""
    wanted = torch.tensor([[1.0, -2.0, 3.0, 0.0], [0.5, 1.0, -1.5, 1.5]])  # outputs of steps 1 and 0.5
    step, turned = torch.tensor([[1.0], [0.5]]), form == "MatMul"
    numbers = {
        "w": wanted.T if turned else wanted,
        "scale": step.T if turned else step,
        "zero": torch.zeros(()),
        "bits": torch.tensor(3.0),
        "bias": torch.tensor([1.0, -1.0]),
    }
    quant = helper.make_node(
        "Quant", ["w", "scale", "zero", "bits"], ["q"], domain="qonnx.custom_op.general", signed=1, narrow=1
    )
    tails = {
        "MatMul": [helper.make_node("MatMul", ["x", "q"], ["s"]), helper.make_node("Add", ["s", "bias"], ["y"])],
        "Gemm": [helper.make_node("Gemm", ["x", "q", "bias"], ["y"], transB=1)],
        "Transpose": [
            helper.make_node("Transpose", ["q"], ["t"]),
            helper.make_node("MatMul", ["x", "t"], ["s"]),
            helper.make_node("Add", ["bias", "s"], ["y"]),
        ],
    }
    made = model(quant, *tails[form])
    made.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    for name, value in numbers.items():
        made.graph.initializer.append(numpy_helper.from_array(value.contiguous().numpy(), name))
    onnx.save(made, tmp_path / "net.onnx")
    net = from_qonnx(tmp_path / "net.onnx")
    x = torch.randn(3, 4)
    torch.testing.assert_close(net(x), x @ wanted.T + numbers["bias"])
    (layer,) = net.layers.values()
    assert int(layer.weight_quant.width()) == 3 and layer.weight_quant.narrow


def test_a_model_in_memory_keeps_the_width_of_a_bias() -> None:
    grid = learned_activation(bits=4)
    layer = QuantLinear(6, 3, weight_quant=learned_weight(bits=4), bias_quant=BiasQuantizer(bits=7), source=grid)
    net = nn.Sequential(QuantReLU(grid), nn.Flatten(), layer).eval()
    again = from_qonnx(qonnx(trace(net, torch.zeros(1, 6), input_bits=4), input_step=1 / 16))
    *_, last = again.layers.values()
    assert isinstance(last.bias_quant, BiasQuantizer) and int(last.bias_quant.bits()) == 7
    assert last.source is again.get_submodule("layers.0_Quant").quant
    x = torch.randint(0, 16, (20, 6)) / 16
    torch.testing.assert_close(again(x), net(x))


def test_a_bias_of_32_bits_has_no_width_of_its_own() -> None:
    grid = learned_activation(bits=4)
    layer = QuantLinear(6, 3, weight_quant=learned_weight(bits=4), bias_quant=BiasQuantizer(bits=32), source=grid)
    net = nn.Sequential(QuantReLU(grid), layer).eval()
    again = from_qonnx(qonnx(trace(net, torch.zeros(1, 6), input_bits=4), input_step=1 / 16))
    *_, last = again.layers.values()
    assert last.bias_quant is None and last.bias is not None


def test_two_narrow_bits_round_half_to_even_as_every_quant_node() -> None:
    quantizer = IntQuantizer(bits=2, scale=ConstScale(1.0), narrow=True)
    net = nn.Sequential(QuantIdentity(quantizer)).eval()
    x = torch.tensor([[-1.5, -0.5, 0.5, 0.75]])
    again = from_qonnx(qonnx(trace(net, x)))
    assert torch.equal(again(x), net(x)) and again(x).tolist() == [[-1.0, 0.0, 0.0, 1.0]]


def test_one_quantized_factor_for_a_stream_of_one_channel() -> None:
    layer = QuantScaleBias(1, bias=False, weight_quant=learned_weight(bits=4, per_channel=False))
    nn.init.constant_(layer.weight, 0.7)
    net = nn.Sequential(QuantReLU(learned_activation(bits=4)), layer, QuantReLU(learned_activation(bits=4))).eval()
    again = from_qonnx(qonnx(trace(net, torch.zeros(1, 1, 5), input_bits=4), input_step=1 / 16))
    assert any(isinstance(each, QuantScaleBias) for each in again.layers.values())


def quantized(op: str, numbers: dict[str, float], **options: Any) -> onnx.ModelProto:
    node = helper.make_node(op, ["x", *numbers], ["y"], name="act", domain="qonnx.custom_op.general", **options)
    made = model(node)
    made.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    for name, number in numbers.items():
        made.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, (), [number]))
    return made


@pytest.mark.parametrize(
    ("numbers", "options", "message"),
    [
        ({"zero": 0.5}, {}, "zero point 0.5; give a whole number"),
        ({"bits": 2.5}, {}, "2.5 bits; give a whole width from 1 to 32"),
        ({"bits": 1.0, "zero": 1.0}, {}, "one signed bit, which is -1 and"),
        ({"step": -1.0}, {}, r"scale \[-1.0\]; give numbers above 0"),
        ({}, {"rounding_mode": "SIDEWAYS"}, "rounding_mode=SIDEWAYS; there are ROUND, HALF_EVEN, CEIL"),
    ],
)
def test_codes_that_no_quantizer_has(numbers: dict[str, float], options: dict[str, str], message: str) -> None:
    given = {"step": 0.5, "zero": 0.0, "bits": 4.0} | numbers
    with pytest.raises(UnknownOperation, match=rf"act \(Quant\): {message}"):
        from_qonnx(quantized("Quant", given, signed=1, narrow=0, **options))


def test_a_quant_node_is_a_quantizer_and_a_relu_in_front_of_it_stays() -> None:
    net = from_qonnx(quantized("Quant", {"step": 0.5, "zero": 0.0, "bits": 3.0}, signed=1, narrow=0))
    x = torch.tensor([[-9.0, -0.3, 0.8, 9.0]])
    assert net(x).tolist() == [[-2.0, -0.5, 1.0, 1.5]]
    bipolar = from_qonnx(quantized("BipolarQuant", {"step": 0.5}))
    assert bipolar(x).tolist() == [[-0.5, -0.5, 0.5, 0.5]]
    assert {"quantized:Quant", "quantized:BipolarQuant", "MatMul", "Conv"} <= set(READERS)
