"""Descriptions of layers: sizes that follow from others."""

from __future__ import annotations

import torch

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Concat, Layer, LayerSpec, MatVec, Signal

ELEMENT = integers(4, signed=False)


def test_sizes_of_a_product() -> None:
    block = MatVec(rows=3, cols=9, groups=8, vectors=49, weight=ELEMENT, input=ELEMENT, acc=ELEMENT)
    assert (block.weights, block.macs) == (3 * 9 * 8, 3 * 9 * 8 * 49)


def test_weights_are_read_when_they_are_asked_for() -> None:
    weights = torch.ones(2, 2, dtype=torch.int64)
    live, known, unknown = (
        MatVec(rows=2, cols=2, weight=ELEMENT, input=ELEMENT, acc=ELEMENT, integers=given)
        for given in (lambda: weights * 2, weights, None)
    )
    assert live.constants().tolist() == [[2, 2], [2, 2]]  # type: ignore[union-attr] # it is given
    weights += 1
    assert live.constants().tolist() == [[4, 4], [4, 4]]  # type: ignore[union-attr]
    assert known.constants() is weights and unknown.constants() is None


def test_shapes_of_a_stream() -> None:
    image, vector = Signal(range=ELEMENT, shape=(16, 5, 7)), Signal(range=ELEMENT, shape=(10,))
    assert (image.channels, image.positions, vector.channels, vector.positions) == (16, 35, 10, 1)
    joined = Concat(streams=(4, 6), vectors=1, output=ELEMENT)
    assert joined.channels == 10
    layer = Layer(name="join", kind="Concat", inputs=(), spec=LayerSpec(output=vector, blocks=(joined,)))
    assert layer.output is vector and layer.blocks == (joined,)
