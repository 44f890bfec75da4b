"""Tensors of a QONNX file while its nodes are read."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

from qonnx_files import node

from hwcost.errors import UnknownOperation
from hwcost.importers import qonnx_streams
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_streams import first_line
from hwcost.importers.qonnx_values import Value


def reader(shape: tuple[int, ...] = (1, 3), **constants: torch.Tensor) -> Reader:
    made = Reader(constants, Counter({"x": 1}))
    made.values["x"], made.shapes["x"] = Value(tensor="x", shape=shape), shape
    return made


def test_shapes_are_those_that_layers_make(monkeypatch: pytest.MonkeyPatch) -> None:
    state = reader((4, 3, 2, 2))
    state.batch = 4
    made = state.add(Node(node("Flatten", "x", name="flat"), 13), nn.Flatten(), state.plain("x"))
    assert made.shape == (4, 12) and state.calls["y"].inputs == ("x",) and isinstance(state.made_by(made), nn.Flatten)
    monkeypatch.setattr(qonnx_streams, "MOST_VALUES", 100)
    with pytest.raises(UnknownOperation, match=r"makes samples of shape \(3, 18, 18\), more than 100 values"):
        state.call("large", nn.Upsample(scale_factor=9), "z", state.value("x"))


def test_constants_and_streams_are_told_apart() -> None:
    state = reader(w=torch.tensor([2.0, 2.0]), v=torch.tensor([1.0, 2.0]))
    assert state.single("w") == 2
    for act, message in [
        (lambda: state.value("w"), "w is a constant where a stream is expected"),
        (lambda: state.value("nowhere"), "nowhere is missing: no node that was read makes it"),
        (lambda: state.number("x"), "x is no constant; run qonnx-cleanup on the file"),
        (lambda: state.single("v"), "v has several numbers"),
        (lambda: state.weight("w", 0), "its weight w has no Quant node, so no width"),
    ]:
        with pytest.raises(UnknownOperation, match=message):
            act()


def test_an_error_of_a_library_is_named_in_one_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "ValueError: one" and first_line(KeyError()) == "KeyError: "
