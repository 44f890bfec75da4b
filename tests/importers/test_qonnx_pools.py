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

from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import qonnx
from hwcost.graph.trace import trace
from hwcost.importers.qonnx import from_qonnx
from hwcost.quant import QuantAvgPool2d, QuantReLU, learned_activation

STEP = 1 / 256


@pytest.mark.parametrize("known", [True, False])
def test_an_average_of_the_whole_map_needs_its_shape(tmp_path: Path, known: bool) -> None:
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
    if not known:
        with pytest.raises(UnknownOperation, match=r"averages a map of shape \(\).*qonnx-cleanup"):
            from_qonnx(tmp_path / "mean.onnx")
        return
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
        ("MaxPool", {"kernel_shape": [2, 2], "ceil_mode": 1}, "equal pads, no ceil_mode"),
        ("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 0]}, "equal pads"),
        ("AveragePool", {"kernel_shape": [2, 3]}, r"kernel \[2, 3\].*give squares without padding"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}, "give squares without padding"),
        ("Trunc", {"domain": "qonnx.custom_op.general"}, "truncates what is no average"),
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
