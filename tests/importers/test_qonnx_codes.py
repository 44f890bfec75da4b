"""Quantizers of QONNX and FINN as layers."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import numpy as np
from qonnx_files import QONNX, QUANTIZED, computed, node, quant, read

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.integer import IntegerNetwork
from hwcost.quant import ThresholdQuantizer

X = torch.tensor([[-2.6, -2.5, -0.5, 0.4, 0.5, 1.5, 2.5]])


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("ROUND", [-3, -2, 0, 0, 0, 2, 2]),
        ("half_even", [-3, -2, 0, 0, 0, 2, 2]),
        ("CEIL", [-2, -2, 0, 1, 1, 2, 3]),
        ("FLOOR", [-3, -3, -1, 0, 0, 1, 2]),
        ("UP", [-3, -3, -1, 1, 1, 2, 3]),
        ("DOWN", [-2, -2, 0, 0, 0, 1, 2]),
        ("HALF_UP", [-3, -3, -1, 0, 1, 2, 3]),
        ("HALF_DOWN", [-3, -2, 0, 0, 0, 1, 2]),
    ],
)
def test_every_rounding_is_exact_on_integers(mode: str, wanted: list[int]) -> None:
    net = read([quant("x one zero four", "y", rounding_mode=mode)], {"one": 1.0}, (7,))
    assert computed(net, X).tolist() == [[float(each) for each in wanted]]
    behind = read(
        [quant("x tenth zero eight", "q"), quant("q one zero four", "y", rounding_mode=mode)],
        {"one": 1.0, "tenth": 0.125, "eight": 8.0},
        (7,),
    )
    x = (X * 8).round() / 8
    assert torch.equal(IntegerNetwork.of(trace(behind, x)).values(x).float(), computed(behind, x))


def test_zero_points_shift_the_range_and_decide_ties() -> None:
    net = read([quant("x one three four", "y", signed=0)], {"one": 1.0, "three": 3.0}, (7,))
    assert computed(net, X).tolist() == [[-3.0, -3.0, -1.0, 0.0, 1.0, 1.0, 3.0]]
    assert float(next(iter(net.layers.values())).quant.range().low) == -3


def test_one_signed_bit_is_bipolar() -> None:
    net = read([quant("x quarter zero one", "y")], {"one": 1.0}, (7,))
    assert computed(net, X).unique().tolist() == [-0.25, 0.25]


@pytest.mark.parametrize("bias", [0.0, -0.5, -0.25, 0.125])
def test_thresholds_of_finn(bias: float) -> None:
    """One threshold with a bias of half a step is bipolar; a bias off the grid is added behind."""
    levels = [[0.5]] if bias == -0.25 else [[-1.0, 0.5, 1.0]]
    made = node(
        "MultiThreshold", "q t", domain="finn.custom_op.general", out_dtype="INT4", out_scale=0.5, out_bias=bias
    )
    net = read([QUANTIZED, made], {"t": levels}, (4,))
    x = torch.tensor([[-1.5, -1.0, 0.5, 1.25]])
    count = (x.unsqueeze(-1) >= torch.tensor(levels[0])).sum(-1)
    assert torch.equal(computed(net, x), count * 0.5 + bias)
    assert any(isinstance(getattr(each, "quant", None), ThresholdQuantizer) for each in net.layers.values())
    assert torch.equal(IntegerNetwork.of(trace(net, x)).values(x).float(), computed(net, x))


def test_thresholds_of_each_channel_and_of_other_layouts() -> None:
    options = {"domain": QONNX, "out_dtype": "UINT2"}
    rows = np.array([[0.0, 0.5], [0.25, 1.0]], np.float32)
    net = read([QUANTIZED, node("MultiThreshold", "q t", data_layout="NCHW", **options)], {"t": rows}, (2, 1, 2))
    x = torch.tensor([[[[0.0, 0.5]], [[0.5, 1.5]]]])
    assert computed(net, x).flatten().tolist() == [1, 2, 1, 2]
    last = [
        QUANTIZED,
        node("Transpose", "q", "n", perm=[0, 2, 3, 1]),
        node("MultiThreshold", "n t", "m", data_layout="NHWC", **options),
    ]
    net = read([*last, node("Transpose", "m", perm=[0, 3, 1, 2])], {"t": rows}, (2, 1, 2))
    assert computed(net, x).flatten().tolist() == [1, 2, 1, 2]
    with pytest.raises(UnknownOperation, match="data_layout=NHWC of a stream of shape"):
        read([QUANTIZED, node("MultiThreshold", "q t", data_layout="NHWC", **options)], {"t": rows}, (2, 1, 2))
    with pytest.raises(UnknownOperation, match=r"thresholds of shape \(3, 1\)"):
        read([QUANTIZED, node("MultiThreshold", "q t", **options)], {"t": np.zeros((3, 1), np.float32)}, (2, 1, 2))


def test_a_scale_along_another_axis_than_the_channels_is_refused() -> None:
    with pytest.raises(UnknownOperation, match="differ along another axis than the channels"):
        read([quant("x steps zero four", "y")], {"steps": [0.25, 0.5]}, (3, 2))
    with pytest.raises(UnknownOperation, match="does not broadcast to a stream"):
        read([quant("x steps zero four", "y")], {"steps": np.ones((2, 3, 1), np.float32) * [[[1.0]], [[2.0]]]}, (3, 2))
