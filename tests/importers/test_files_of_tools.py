"""Files as tools write them: small ones that were read wrong or refused, each with the right value."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from qonnx_files import QONNX, QUANTIZED, computed, file, node, quant, read

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx import from_qonnx
from hwcost.integer import IntegerNetwork
from hwcost.quant import QuantLinear

ONES = torch.ones(1, 4, 4, 4)


@pytest.mark.parametrize("declared", [(), (("qonnx.custom_op.general", 2),)])
@pytest.mark.parametrize("domain", ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"])
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_every_domain_of_a_quantizer_declared_or_not(declared: Any, domain: str, op: str) -> None:
    made = node(op, "x quarter zero four", signed=1, narrow=0, rounding_mode="ROUND", domain=domain)
    net = from_qonnx(file([made], {}, (3,), imports=declared))
    assert computed(net, torch.tensor([[-9.0, 0.4, 9.0]])).tolist() == [[-2.0, 0.5, 1.75]]


def test_a_batch_norm_behind_a_pool_has_the_rank_of_the_image() -> None:
    numbers = {name: [1.0] * 4 for name in ("w", "b", "m")} | {"v": [0.75] * 4}
    nodes = [
        QUANTIZED,
        node("MaxPool", "q", "p", kernel_shape=[2, 2]),
        node("BatchNormalization", "p w b m v", epsilon=0.25),
    ]
    net = read(nodes, numbers, (4, 4, 4))
    assert isinstance(list(net.layers.values())[-1], nn.BatchNorm2d)
    assert torch.equal(computed(net, ONES), torch.ones(1, 4, 3, 3))


def test_an_unsigned_narrow_quantizer_loses_its_largest_code() -> None:
    net = read([quant("x quarter zero three", "y", signed=0, narrow=1)], {"three": 3.0}, (2,))
    assert computed(net, torch.tensor([[9.0, -9.0]])).tolist() == [[1.5, 0.0]]


@pytest.mark.parametrize("options", [{"auto_pad": "SAME_UPPER"}, {"ceil_mode": 1}])
def test_a_pool_with_padding_behind(options: dict[str, Any]) -> None:
    net = read([QUANTIZED, node("MaxPool", "q", kernel_shape=[3, 3], strides=[2, 2], **options)], {}, (1, 8, 8))
    x = torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    wanted = nn.functional.max_pool2d((x * 4).round() / 4, 3, 2, ceil_mode=True)
    assert wanted.shape[2:] == (4, 4) and torch.equal(computed(net, x), wanted)


def test_the_sum_of_a_window_is_no_alias_of_its_mean() -> None:
    nodes = [QUANTIZED, node("AveragePool", "q", "a", kernel_shape=[3, 3]), node("Mul", "a nine", "m")]
    net = read([*nodes, quant("m quarter zero eight", "y")], {"nine": 9.0, "eight": 8.0}, (4, 4, 4))
    assert torch.equal(computed(net, ONES), torch.full((1, 4, 2, 2), 9.0))


def test_a_bias_that_not_all_readers_see_stays_apart() -> None:
    nodes = [
        *(QUANTIZED, quant("w quarter zero four", "v"), node("MatMul", "q v", "m"), node("Add", "m b", "a")),
        *(quant("a quarter zero four", "left"), quant("m quarter zero four", "right"), node("Add", "left right")),
    ]
    net = read(nodes, {"w": np.zeros((4, 4), np.float32), "b": [0.25, 0.5, 0.75, 1.0]}, (4,))
    assert computed(net, torch.ones(1, 4)).tolist() == [[0.25, 0.5, 0.75, 1.0]]
    assert sum(isinstance(layer, QuantLinear) for layer in net.layers.values()) == 1


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4, 4), (4, 1, 1), (4, 4), (1, 4, 1, 1)])
def test_a_constant_is_broadcast_by_its_shape(shape: tuple[int, ...]) -> None:
    added = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    weight = np.zeros((4, 4, 1, 1), np.float32)
    nodes = [QUANTIZED, quant("w quarter zero four", "v"), node("Conv", "q v", "c"), node("Add", "c b")]
    net = read(nodes, {"w": weight, "b": added}, (4, 4, 4))
    assert torch.equal(computed(net, ONES), torch.from_numpy(added) + torch.zeros(1, 4, 4, 4))
    if shape in ((4,), (1, 1, 4, 4), (4, 4)):
        with pytest.raises(UnknownOperation, match="thresholds and factors differ by channel only"):
            trace(net, ONES)


def test_names_may_collide_and_be_reserved() -> None:
    names = ["Q", "Q", "keys", "l.1", "l_1", "training", ""]
    tensors = ["x", *(f"t{place}" for place in range(6)), "y"]
    nodes = [
        quant(f"{before} quarter zero {bits}", after, name=name)
        for name, before, after, bits in zip(names, tensors, tensors[1:], ["four"] * 6 + ["two"], strict=False)
    ]
    net = read(nodes, {"two": 2.0}, (2,))
    assert list(net.layers) == ["Q", "Q_2", "keys_", "l_1", "l_1_2", "training_", "y"]
    assert computed(net, torch.tensor([[1.0, -1.0]])).tolist() == [[0.25, -0.5]]
    assert trace(net, torch.zeros(1, 2)).layers()


def test_channels_last_is_read_as_such() -> None:
    values = np.zeros((2, 1, 1, 3), np.float32)
    values[0, 0, 0, 2] = values[1, 0, 0, 0] = 1.0
    last = node("Conv", "t v", "c", domain="qonnx.custom_op.channels_last", kernel_shape=[1, 1])
    nodes = [
        *(QUANTIZED, node("Transpose", "q", "t", perm=[0, 2, 3, 1]), quant("w quarter zero four", "v"), last),
        node("Transpose", "c", perm=[0, 3, 1, 2]),
    ]
    net = read(nodes, {"w": values}, (3, 2, 2))
    x = torch.arange(12.0).reshape(1, 3, 2, 2) / 8
    wanted = (x * 4).round().clamp(-8, 7) / 4
    assert torch.equal(computed(net, x), wanted[:, [2, 0]])
    assert [layer.kind for layer in trace(net, x).layers()] == ["QuantIdentity", "QuantConv2d"]
    with pytest.raises(UnknownOperation, match=r"custom_op\.other:Conv is not one of"):
        read(
            [QUANTIZED, quant("w quarter zero four", "v"), node("Conv", "q v", domain="custom_op.other")],
            {"w": values},
            (3, 2, 2),
        )


@pytest.mark.parametrize(
    "steps", [np.array([[0.25], [0.5], [0.25], [0.25], [0.25], [1.0]]), np.ones((6, 4)) * np.arange(1, 5)]
)
def test_a_step_for_each_input_of_one_sum_is_refused(steps: Any) -> None:
    nodes = [QUANTIZED, quant("w steps zero four", "v"), node("MatMul", "q v", name="fc")]
    numbers = {"w": np.ones((6, 4), np.float32), "steps": steps.astype(np.float32)}
    if steps.shape == (6, 1):
        with pytest.raises(UnknownOperation, match=r"fc \(MatMul\): its weight has steps that differ within one sum"):
            read(nodes, numbers, (6,))
    else:
        (_, layer) = read(nodes, numbers, (6,)).layers.values()
        assert layer.weight_quant.per_channel


def test_all_weights_without_a_width_are_named_at_once() -> None:
    nodes = [node("MatMul", "x a", "m", name="first"), node("Relu", "m", "r"), node("MatMul", "r b", name="second")]
    with pytest.raises(UnknownOperation) as told:
        read(nodes, {"a": np.ones((4, 4), np.float32), "b": np.ones((4, 4), np.float32)}, (4,))
    assert re.findall(r"(?m)^(\w+) \(MatMul\): its weight (\w) has no Quant node", str(told.value)) == [
        ("first", "a"),
        ("second", "b"),
    ]


def test_sums_of_unequal_power_of_two_steps_and_of_two_products() -> None:
    """A step of 0.25 and one of 1: the hardware shifts one by two bits."""
    nodes = [QUANTIZED, quant("x one zero four", "p"), node("Add", "q p")]
    net = read(nodes, {"one": 1.0}, (2,))
    x = torch.tensor([[0.25, 3.0]])
    assert computed(net, x).tolist() == [[0.25, 4.75]]
    whole = IntegerNetwork.of(trace(net, x))
    assert whole.values(x).tolist() == [[0.25, 4.75]]
    assert list(whole.run(x).values())[-1].tolist() == [[1, 19]]
    products = [
        *(QUANTIZED, quant("w quarter zero four", "v"), quant("w half zero four", "u")),
        *(
            node("MatMul", "q v", "a"),
            node("MatMul", "q u", "b"),
            node("Add", "a b", "s"),
            quant("s quarter zero four", "y"),
        ),
    ]
    net = read(products, {"w": np.full((2, 3), 0.5, np.float32), "half": 0.5}, (2,))
    assert torch.equal(IntegerNetwork.of(trace(net, x)).values(x).float(), computed(net, x))
    with pytest.raises(UnknownOperation, match="which are no power of two apart"):
        read([QUANTIZED, quant("x third zero four", "p"), node("Add", "q p")], {"third": 0.75}, (2,))


def test_what_nobody_reads_is_refused() -> None:
    with pytest.raises(UnknownOperation, match="the attribute axis would be left out"):
        read([quant("x quarter zero four", "y", axis=1)], {}, (2,))
    with pytest.raises(UnknownOperation, match=r"input 4 \(quarter\) would be left out"):
        read([quant("x quarter zero four quarter", "y")], {}, (2,))


def test_fake_quantization_by_standard_nodes_with_codes_of_a_byte() -> None:
    """As QDQ files of onnxruntime and QCDQ files of Brevitas: weights are stored as codes."""
    zero, low, high = np.array(0, np.int8), np.array(-8, np.int8), np.array(7, np.int8)
    codes = np.array([[1, -2], [3, 0]], np.int8)
    nodes = [
        node("QuantizeLinear", "x quarter z", "c"),
        node("Clip", "c low high", "k"),
        node("DequantizeLinear", "k quarter z", "q"),
        node("DequantizeLinear", "w half z", "v"),
        node("MatMul", "q v"),
    ]
    net = read(nodes, {"z": zero, "low": low, "high": high, "w": codes, "half": 0.5}, (2,))
    assert computed(net, torch.tensor([[9.0, 0.4]])).tolist() == [[1.75 * 0.5 + 0.5 * 1.5, -1.75]]
    first, second = net.layers.values()
    assert (int(first.quant.width()), int(second.weight_quant.width())) == (4, 8)


@pytest.mark.parametrize("tail", ["Softmax", "ArgMax", "TopK", "both"])
def test_tails_of_classifiers(tail: str) -> None:
    nodes = {
        "Softmax": [node("Softmax", "q", axis=-1)],
        "ArgMax": [node("ArgMax", "q", axis=1, keepdims=0)],
        "TopK": [node("TopK", "q k", "best y", axis=-1)],
        "both": [node("Softmax", "q", "s", axis=-1), node("ArgMax", "s", axis=1)],
    }[tail]
    net = read([QUANTIZED, *nodes], {"k": np.array([1])}, (3,))
    x = torch.tensor([[0.5, 1.5, -1.0]])
    wanted = {
        "Softmax": x.softmax(1),
        "ArgMax": torch.tensor([1]),
        "TopK": torch.tensor([[1]]),
        "both": torch.tensor([[1]]),
    }
    torch.testing.assert_close(computed(net, x), wanted[tail])
    pipeline = trace(net, x)
    kinds = [type(block).__name__ for layer in pipeline.layers() for block in layer.blocks]
    assert kinds == ([] if tail == "Softmax" else ["LabelSelect"])
    if tail != "Softmax":
        assert torch.equal(IntegerNetwork.of(pipeline).values(x).long(), wanted[tail])


def test_what_extracting_scales_leaves_is_put_together_again() -> None:
    """Div, Quant with scale 1, Mul: as ExtractQuantScaleZeroPt of qonnx writes a quantizer."""
    nodes = [
        *(node("Div", "x quarter", "d"), quant("d one zero four", "c"), node("Mul", "c quarter", "q")),
        *(quant("w one zero four", "u"), node("Mul", "u half", "v"), node("MatMul", "q v")),
    ]
    net = read(nodes, {"one": 1.0, "half": 0.5, "w": np.ones((2, 2), np.float32)}, (2,))
    x = torch.tensor([[0.6, -9.0]])
    assert [type(layer).__name__ for layer in net.layers.values()] == ["QuantIdentity", "QuantLinear"]
    assert computed(net, x).tolist() == [[-0.75, -0.75]]
    assert IntegerNetwork.of(trace(net, x)).values(x).tolist() == [[-0.75, -0.75]]


def test_flatten_as_exporters_of_pytorch_write_it() -> None:
    nodes = [
        *(
            QUANTIZED,
            node("Shape", "q", "s"),
            node("Gather", "s nought", "n", axis=0),
            node("Unsqueeze", "n axes", "u"),
        ),
        *(node("Concat", "u rest", "to", axis=0), node("Reshape", "q to", "f"), quant("f quarter zero four", "y")),
    ]
    numbers = {"nought": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    net = read(nodes, numbers, (2, 3, 3))
    assert computed(net, torch.ones(5, 2, 3, 3)).shape == (5, 18)


def test_an_open_domain_in_front_of_a_node_keeps_its_name() -> None:
    with pytest.raises(UnknownOperation, match=r"odd \(Fast\): com\.example:Fast is not one of"):
        read([node("Fast", "x", domain="com.example", name="odd")], {}, (2,))
    assert QONNX in QUANTIZED.domain
