"""Streams and constants of a QONNX file while it is read."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_values import Codes, Value, along_axis, by_channel, is_one, is_zero, number, unified


def test_a_constant_is_brought_into_the_axes_of_the_base() -> None:
    value = Value(tensor="x", shape=(1, 2, 3, 4), order=(0, 2, 3, 1))
    assert value.view == (1, 3, 4, 2) and value.axis(-1) == 1
    assert value.aligned(torch.tensor([1.0, 2.0])).shape == (1, 2, 1, 1)
    assert value.aligned(torch.ones(3, 1, 1)).shape == ()
    assert value.aligned(torch.arange(4.0).reshape(4, 1)).shape == (1, 1, 1, 4)
    for shape in [(3,), (2, 1, 1, 1), (1, 1, 1, 1, 2), (0,), (5, 1, 1)]:
        with pytest.raises(UnknownOperation, match="does not broadcast to a stream of shape"):
            value.aligned(torch.arange(torch.Size(shape).numel() or 0).float().reshape(shape))


def test_what_is_still_to_be_applied() -> None:
    value = Value(tensor="x", shape=(1, 2))
    assert value.plain and not value.shifted(number(1)).plain
    assert value.shifted(number(1), "b").bias == "b" and value.scaled(number(2)).shifted(number(1), "b").bias == ""
    one = number(1)
    coded = Value(tensor="x", shape=(1, 2), codes=Codes(step=one, factor=one)).scaled(number(3))
    assert coded.codes is not None and float(coded.codes.factor) == 3 and is_one(coded.gain) and is_zero(coded.offset)


def test_steps_of_a_weight_by_output() -> None:
    steps = torch.tensor([[1.0], [2.0]]).expand(2, 3)
    assert along_axis(steps, 0).tolist() == [[1.0], [2.0]] and along_axis(torch.ones(2, 3), 1).shape == ()
    with pytest.raises(UnknownOperation, match="steps that differ within one sum"):
        along_axis(steps, 1)
    assert by_channel(torch.ones(1, 3, 1)) and not by_channel(torch.ones(1, 3, 1), -1) and by_channel(number(1))
    assert unified(torch.ones(2, 2)).shape == () and unified(steps) is steps
    moved = Codes(step=steps, factor=steps).moved(lambda x: x.T)
    assert moved.factor.shape == (3, 2)
