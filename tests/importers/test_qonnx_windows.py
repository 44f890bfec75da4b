"""Sliding windows of a QONNX file."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from typing import Any

import numpy as np
from qonnx_files import QUANTIZED, computed, node, quant, read

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_windows import ZeroPad, pads_of, windows


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, ((0, 0), (0, 0))),
        ({"pads": [1, 2, 3, 4]}, ((1, 3), (2, 4))),
        ({"auto_pad": "SAME_UPPER"}, ((0, 1), (1, 1))),
        ({"auto_pad": "SAME_LOWER"}, ((1, 0), (1, 1))),
        ({"auto_pad": "VALID"}, ((0, 0), (0, 0))),
    ],
)
def test_padding(options: dict[str, Any], wanted: Any) -> None:
    assert pads_of(Node(node("Conv", "x w", **options), 13), (6, 5), (3, 3), (2, 2), (1, 1)) == wanted


@pytest.mark.parametrize(
    "options", [{"pads": [1, 1]}, {"pads": [-1, 0, 0, 0]}, {"auto_pad": "SAME"}, {"auto_pad": "VALID", "pads": [1] * 4}]
)
def test_padding_that_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(UnknownOperation, match="pads"):
        pads_of(Node(node("Conv", "x w", **options), 13), (6, 5), (3, 3), (2, 2), (1, 1))


def test_windows_that_begin_in_the_padding_behind_do_not_count() -> None:
    assert windows((8,), (3,), (2,), (1,), ((0, 0),), ceil=True) == (4,)
    assert windows((4,), (1,), (3,), (1,), ((0, 2),), ceil=True) == (2,)
    assert windows((4,), (2,), (3,), (2,), ((0, 0),), ceil=False) == (1,)


def test_zeros_in_front_of_a_convolution_are_its_padding() -> None:
    nodes = [QUANTIZED, node("Pad", "q pads", "p"), quant("w quarter zero four", "v"), node("Conv", "p v", pads=[1, 0])]
    net = read(nodes, {"pads": np.array([0, 0, 1, 0, 0, 2]), "w": np.ones((1, 1, 2), np.float32)}, (1, 3))
    assert list(net.layers.values())[-1].pads((3,)) == ((2, 2),)
    assert computed(net, torch.ones(1, 1, 3)).tolist() == [[[0.0, 1.0, 2.0, 2.0, 1.0, 0.0]]]
    alone = read([*nodes[:2], node("Identity", "p")], {"pads": np.array([0, 0, 1, 0, 0, 2])}, (1, 3))
    assert isinstance(list(alone.layers.values())[-1], ZeroPad)
    assert computed(alone, torch.ones(1, 1, 3)).tolist() == [[[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]]]
    for pads, filling in (([0, 1, 0, 0, 0, 0], 0.0), ([0, 0, 1, 0, 0, 0], 1.0), ([0, 0, -1, 0, 0, 0], 0.0)):
        with pytest.raises(UnknownOperation, match="only zeros around the pixels have a layer here"):
            read([node("Pad", "x pads fill")], {"pads": np.array(pads), "fill": filling}, (1, 3))
