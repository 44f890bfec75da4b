"""Nodes of a QONNX file that move numbers, and tails."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from typing import Any

import numpy as np
from qonnx_files import QUANTIZED, computed, node, read

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.integer import IntegerNetwork

X = torch.arange(16.0).reshape(1, 4, 2, 2) / 16
GRID = (X * 4).round() / 4


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (node("Flatten", "q"), GRID.flatten(1)),
        (node("Reshape", "q flat"), GRID.flatten(1)),
        (node("Reshape", "q rows"), GRID.reshape(1, 4, 4)),
        (node("Transpose", "q", perm=[0, 2, 3, 1]), GRID.permute(0, 2, 3, 1)),
        (node("Unsqueeze", "q last"), GRID.unsqueeze(-1)),
        (node("Identity", "q"), GRID),
        (node("Dropout", "q half"), GRID),
        (node("Cast", "q", to=1), GRID),
        (
            node("Resize", "q - scales", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
            GRID.repeat_interleave(2, 2).repeat_interleave(2, 3),
        ),
        (node("Resize", "q - scales", mode="nearest"), GRID.repeat_interleave(2, 2).repeat_interleave(2, 3)),
        (node("Resize", "q - - sizes"), GRID.repeat_interleave(2, 2).repeat_interleave(2, 3)),
        (node("DepthToSpace", "q", blocksize=2, mode="CRD"), torch.nn.functional.pixel_shuffle(GRID, 2)),
    ],
)
def test_numbers_are_moved_and_stay_integers(made: Any, wanted: torch.Tensor) -> None:
    numbers = {"flat": np.array([0, -1]), "rows": np.array([1, 4, -1]), "last": np.array([-1]), "half": 0.5}
    numbers |= {"scales": [1.0, 1.0, 2.0, 2.0], "sizes": np.array([1, 4, 4, 4])}
    net = read([QUANTIZED, made], numbers, (4, 2, 2))
    torch.testing.assert_close(computed(net, X), wanted)
    if made.op_type != "Transpose":  # channels last alone, in front of nothing, have no place on a wire
        assert torch.equal(IntegerNetwork.of(trace(net, X)).values(X).float(), wanted)


def test_depth_first_has_values_and_no_hardware() -> None:
    net = read([QUANTIZED, node("DepthToSpace", "q", blocksize=2)], {}, (4, 2, 2))
    assert computed(net, X)[0, 0, :2, :2].flatten().tolist() == GRID[0, :, 0, 0].tolist()
    with pytest.raises(UnknownOperation):
        trace(net, X)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node("Flatten", "q", axis=2), "axis 2 of a stream of shape"),
        (node("Flatten", "q", axis=0), "axis 0: makes one sample of the batch"),
        (node("Reshape", "q swapped"), "the batch stays in front"),
        (node("Reshape", "q wrong"), "which holds another number of values"),
        (node("Transpose", "q"), "the batch stays in front"),
        (node("Squeeze", "q one"), "only those of one index go"),
        (node("Squeeze", "q nought"), "axes: drops or moves the batch"),
        (node("Cast", "q", to=7), "to=7: converts a stream to another type than float"),
        (node("Dropout", "q half yes"), "training_mode: drops at random"),
        (node("Resize", "q - scales", mode="linear"), "mode=linear"),
        (node("Resize", "q - scales", coordinate_transformation_mode="align_corners"), "align_corners"),
        (node("Softmax", "q"), "give (N, labels) and the last axis"),
        (node("ArgMax", "q", axis=1), "give (N, labels) and the last axis"),
        (node("TopK", "q two", "y z"), "label select has k=1"),
    ],
)
def test_what_moves_numbers_in_no_known_way(made: Any, message: str) -> None:
    numbers = {"swapped": np.array([4, -1]), "wrong": np.array([1, 5]), "one": np.array([1]), "nought": np.array([0])}
    numbers |= {
        "half": np.array(0.5),
        "yes": np.array(True),
        "scales": np.array([1.0, 1.0, 2.0, 2.0]),
        "two": np.array([2]),
    }
    with pytest.raises(UnknownOperation, match=message.replace("(", r"\(").replace(")", r"\)")):
        read([QUANTIZED, made], numbers, (4, 2, 2))


def test_a_sigmoid_at_the_end_has_values() -> None:
    net = read([QUANTIZED, node("Sigmoid", "q")], {}, (2,))
    torch.testing.assert_close(computed(net, torch.tensor([[0.5, 1.0]])), torch.tensor([[0.5, 1.0]]).sigmoid())
