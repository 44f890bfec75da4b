"""Products of a QONNX file."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from typing import Any

import numpy as np
from qonnx_files import QUANTIZED, computed, node, quant, read

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.integer import IntegerNetwork

WEIGHT = np.array([[0.5, -1.0, 1.0], [1.75, 0.25, 0.0]], np.float32)
X = torch.tensor([[0.5, -0.25], [1.0, 1.5]])


@pytest.mark.parametrize(
    ("options", "bias"),
    [({}, None), ({"alpha": 0.5}, [1.0, 2.0, 3.0]), ({"beta": 2.0}, [[1.0, 2.0, 3.0]]), ({"transB": 1}, 1.0)],
)
def test_gemm_with_factors(options: dict[str, Any], bias: Any) -> None:
    weight = WEIGHT.T if options.get("transB") else WEIGHT
    inputs = "q v" if bias is None else "q v b"
    net = read(
        [QUANTIZED, quant("w quarter zero four", "v"), node("Gemm", inputs, **options)],
        {"w": weight, "b": bias or 0.0},
        (2,),
    )
    added = torch.tensor(0.0 if bias is None else bias) * options.get("beta", 1.0)
    torch.testing.assert_close(computed(net, X), X @ torch.from_numpy(WEIGHT) * options.get("alpha", 1.0) + added)


@pytest.mark.parametrize(
    ("op", "inputs", "weight", "options", "message"),
    [
        ("MatMul", "v q", WEIGHT, {}, "by its weight from the left"),
        ("MatMul", "q v", np.ones((1, 2, 3)), {}, r"has the shape \(1, 2, 3\); give a matrix"),
        ("Gemm", "q v", WEIGHT, {"transA": 1}, "transA=1; only transA=0"),
        ("Conv", "q v", np.ones((1, 2, 1, 1, 1, 1)), {}, "a convolution of 4 dimensions"),
        ("Conv", "q v", np.ones((1, 2, 3)), {"kernel_shape": [2]}, r"kernel_shape=\[2\], and a weight of shape"),
        ("ConvTranspose", "q v", np.ones((2, 1, 2, 2)), {"output_shape": [3, 3]}, "output_shape; give pads"),
        ("ConvTranspose", "q v", np.ones((2, 1, 2, 2)), {"pads": [0, 0, 1, 1]}, "differ between sides"),
        ("ConvTranspose", "q v", np.ones((2, 1, 2, 2)), {"auto_pad": "SAME_UPPER"}, "auto_pad=SAME_UPPER; only"),
    ],
)
def test_what_is_no_product_of_ours(op: str, inputs: str, weight: Any, options: dict[str, Any], message: str) -> None:
    shape = (2,) if op in ("MatMul", "Gemm") else (2, *weight.shape[2:])
    nodes = [QUANTIZED, quant("w quarter zero four", "v"), node(op, inputs, name="p", **options)]
    with pytest.raises(UnknownOperation, match=rf"p \({op}\): .*{message}"):
        read(nodes, {"w": weight.astype(np.float32)}, shape)


@pytest.mark.parametrize(
    "options",
    [
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
        {"pads": [0, 1, 1, 0], "dilations": [1, 2]},
        {"pads": [1, 1, 1, 1], "group": 2},
    ],
)
def test_convolutions_with_every_padding_run_on_integers(options: dict[str, Any]) -> None:
    draw = np.random.default_rng(0)
    weight = (draw.integers(-7, 8, (4, 2 // options.get("group", 1), 3, 3)) / 4).astype(np.float32)
    nodes = [QUANTIZED, quant("w quarter zero four", "v"), node("Conv", "q v", **options)]
    net = read(nodes, {"w": weight}, (2, 6, 5))
    x = torch.from_numpy(draw.integers(-8, 8, (2, 2, 6, 5)) / 4).float()
    strides, dilations = options.get("strides", [1, 1]), options.get("dilations", [1, 1])
    before = options.get("pads", [0] * 4)
    if options.get("auto_pad", "").startswith("SAME"):  # 6 rows need one more in all, 5 columns one on each side
        before = [0, 1, 1, 1] if options["auto_pad"] == "SAME_UPPER" else [1, 1, 0, 1]
    padded = torch.nn.functional.pad(x, (before[1], before[3], before[0], before[2]))
    wanted = torch.nn.functional.conv2d(
        padded, torch.from_numpy(weight), None, strides, 0, dilations, options.get("group", 1)
    )
    torch.testing.assert_close(computed(net, x), wanted)
    assert torch.equal(IntegerNetwork.of(trace(net, x)).values(x).float(), wanted)


def test_a_transposed_convolution() -> None:
    weight = (np.arange(24).reshape(2, 3, 2, 2) % 7 / 4).astype(np.float32)
    nodes = [
        QUANTIZED,
        quant("w quarter zero four", "v"),
        node("ConvTranspose", "q v b", strides=[2, 2], output_padding=[1, 0]),
    ]
    net = read(nodes, {"w": weight, "b": [1.0, 2.0, 3.0]}, (2, 3, 3))
    x = torch.arange(18.0).reshape(1, 2, 3, 3) / 16
    grid = (x * 4).round() / 4
    wanted = torch.nn.functional.conv_transpose2d(
        grid, torch.from_numpy(weight), torch.tensor([1.0, 2.0, 3.0]), 2, 0, (1, 0)
    )
    torch.testing.assert_close(computed(net, x), wanted)
