"""Pooling in a QONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import onnx
from onnx import TensorProto, helper
from qonnx_files import QONNX, QUANTIZED, computed, node, quant, read

from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import qonnx
from hwcost.graph.trace import trace
from hwcost.importers.qonnx import from_qonnx
from hwcost.integer import IntegerNetwork
from hwcost.quant import QuantAvgPool2d, QuantReLU, learned_activation

STEP = 1 / 256


@pytest.mark.parametrize("known", [True, False])
def test_an_average_of_the_whole_map_needs_no_shape_of_the_file(tmp_path: Path, known: bool) -> None:
    def value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    numbers = {"step": 0.125, "zero": 0.0, "bits": 4.0}
    nodes = [
        helper.make_node(
            "Quant", ["x", *numbers], ["q"], domain="qonnx.custom_op.general", signed=0, narrow=0, rounding_mode="ROUND"
        ),
        helper.make_node("GlobalAveragePool", ["q"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [value("x", (1, 3, 4, 4))],
        [value("y", (1, 3))],
        [helper.make_tensor(name, TensorProto.FLOAT, (), [number]) for name, number in numbers.items()],
        value_info=[value("q", (1, 3, 4, 4))] if known else [],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "mean.onnx")
    net, x = from_qonnx(tmp_path / "mean.onnx"), torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(net(x), ((x / 0.125).round().clamp(0, 15) * 0.125).mean((2, 3)), rtol=1e-6, atol=0)


def model(*nodes: onnx.NodeProto, shape: tuple[int, ...] = (4,)) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape]) for name in ("x", nodes[-1].output[0])]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 0]},
        {"kernel_shape": [2, 2], "dilations": [2, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2]},
    ],
)
def test_maxima_are_those_of_torch(options: dict[str, list[int]]) -> None:
    net = from_qonnx(model(helper.make_node("MaxPool", ["x"], ["y"], **options), shape=(2, 7, 6)))
    x = torch.randn(2, 2, 7, 6)
    wanted = nn.functional.max_pool2d(
        x, options["kernel_shape"], options.get("strides", [1, 1]), options.get("pads", [0, 0])[:2],
        options.get("dilations", [1, 1]),
    )  # fmt: skip
    assert torch.equal(net(x), wanted)


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 0]}, "no padding on both sides gives"),
        ("MaxPool", {"kernel_shape": [9, 2]}, "give 1 or 2 dimensions that fit"),
        ("MaxPool", {"kernel_shape": [2, 2], "storage_order": 1}, "storage_order=1; only storage_order=0"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1]}, "both sides the same padding"),
        ("Trunc", {"domain": "qonnx.custom_op.general"}, "1 inputs; version 1 has 5, version 2 has 6"),
    ],
)
def test_what_is_no_pooling_of_ours_is_named(op: str, options: dict[str, Any], message: str) -> None:
    made = model(helper.make_node(op, ["x"], ["y"], name="pool", **options), shape=(2, 7, 6))
    made.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    with pytest.raises(UnknownOperation, match=rf"pool \({op}\): .*{message}"):
        from_qonnx(made)


@pytest.mark.parametrize("behind", [False, True])
def test_an_average_that_truncates_goes_out_and_comes_back(behind: bool) -> None:
    grid = learned_activation(bits=4, max_val=1.0)
    pool = QuantAvgPool2d(2, source=grid)
    layers = [QuantReLU(grid), nn.MaxPool2d(1) if behind else nn.Identity(), pool]
    net = nn.Sequential(*layers).eval()
    again = from_qonnx(qonnx(trace(net, torch.zeros(1, 2, 4, 4), input_bits=8), input_step=STEP))
    x = torch.randint(0, 256, (4, 2, 4, 4)).float() * STEP
    torch.testing.assert_close(again(x), net(x))
    (found,) = (layer for layer in again.layers.values() if isinstance(layer, QuantAvgPool2d))
    assert found.truncate and not isinstance(list(again.layers.values())[-2], QuantAvgPool2d)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("mode", "wanted"), [("FLOOR", [1, 1, 2]), ("CEIL", [2, 2, 2]), ("ROUND", [1, 2, 2])])
def test_codes_are_truncated_without_an_average(version: int, mode: str, wanted: list[int]) -> None:
    """5, 6 and 8 quarters, of which two bits are cut off."""
    after = [node("Trunc", "q quarter zero six four", domain=QONNX, rounding_mode=mode)]
    if version == 2:
        after = [node("Trunc", "q quarter zero six one six", domain=QONNX, rounding_mode=mode, signed=1, narrow=0)]
    net = read([quant("x quarter zero six", "q"), *after], {"six": 6.0, "one": 1.0}, (3,))
    unit = 0.25 if version == 1 else 1.0
    x = torch.tensor([[1.25, 1.5, 2.0]])
    assert computed(net, x).tolist() == [[unit * each for each in wanted]]
    assert IntegerNetwork.of(trace(net, x)).values(x).tolist() == computed(net, x).tolist()


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "ReduceMean"])
def test_reductions_of_a_whole_map(op: str) -> None:
    options = {"axes": [-2, -1], "keepdims": 0} if op == "ReduceMean" else {}
    x = torch.arange(24.0).reshape(1, 2, 4, 3) / 16
    grid = (x * 4).round().clamp(-8, 7) / 4
    found = computed(read([QUANTIZED, node(op, "q", **options)], {}, (2, 4, 3)), x)
    wanted = grid.amax((2, 3), True) if op == "GlobalMaxPool" else grid.mean((2, 3), op == "GlobalAveragePool")
    torch.testing.assert_close(found, wanted)
