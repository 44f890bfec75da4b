"""Layers of a QONNX file that only move numbers, and such as no hardware has."""

from __future__ import annotations

import pytest
import torch

from hwcost import trace
from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import integers
from hwcost.importers.qonnx_layers import DepthToSpace, IndexOfLargest, Permute, PixelAffine, Reshape
from hwcost.integer import IntegerNetwork


def test_numbers_are_moved() -> None:
    x = torch.arange(48.0).reshape(1, 8, 2, 3)
    assert torch.equal(Permute((0, 2, 1, 3))(x), x.permute(0, 2, 1, 3)) and Reshape((4, 12))(x).shape == (1, 4, 12)
    deep = DepthToSpace(2)(x)
    assert deep.shape == (1, 2, 4, 6)
    assert deep[0, 0, 0, :2].tolist() == [float(x[0, 0, 0, 0]), float(x[0, 2, 0, 0])]  # depth first
    assert float(deep[0, 1, 1, 0]) == float(x[0, 5, 0, 0])


@pytest.mark.parametrize("keepdim", [True, False])
def test_label_select_in_hardware(keepdim: bool) -> None:
    x = torch.tensor([[3.0, 7.0, 7.0, 1.0]])
    pipeline = trace(IndexOfLargest(keepdim), x, input_range=integers(4, signed=False))
    assert pipeline.steps[0].shape == ((1,) if keepdim else ())
    found = IntegerNetwork.of(pipeline, input_step=1.0).values(x.long())
    assert found.tolist() == ([[1.0]] if keepdim else [1.0])


def test_numbers_of_each_pixel_have_values_and_no_hardware() -> None:
    layer = PixelAffine(torch.full((2, 2), 2.0), torch.tensor([0.0, 1.0]))
    assert layer(torch.ones(1, 3, 2, 2))[0, 0].tolist() == [[2.0, 3.0], [2.0, 3.0]]
    with pytest.raises(UnknownOperation, match=r"numbers of the shapes \(2, 2\) and \(2,\).*give one for each channel"):
        trace(layer, torch.ones(1, 3, 2, 2), input_range=integers(4, signed=False))
