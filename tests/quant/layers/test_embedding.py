"""Embeddings look rows of quantized weights up, and refuse tokens that have none."""

from __future__ import annotations

import pytest
import torch

import hwcost
from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Embedding
from hwcost.graph.ranges import between
from hwcost.quant import QuantEmbedding, const_weight


def embedding() -> QuantEmbedding:
    return QuantEmbedding(10, 6, padding_idx=0, weight_quant=const_weight(bits=4, per_channel=False))


def test_rows_are_quantized_and_learn() -> None:
    layer = embedding()
    assert layer.weight_quant is not None
    y = layer(torch.tensor([[3, 3, 7]]))
    assert torch.equal(y[0, 0], layer.weight_quant(layer.weight)[3]) and torch.equal(y[0, 0], y[0, 1])
    y.sum().backward()
    assert layer.weight.grad is not None and float(layer.weight.grad[3].sum()) > 0
    assert torch.equal(layer(torch.tensor([[3.0]])), layer(torch.tensor([[3]])))


def test_the_memory_holds_every_row() -> None:
    pipeline = hwcost.trace(embedding(), torch.zeros(1, 5, dtype=torch.int64), input_range=between(0, 9))
    (layer,) = pipeline.layers()
    (block,) = layer.blocks
    assert isinstance(block, Embedding)
    assert (block.rows, block.channels, block.vectors) == (10, 6, 5)
    assert (layer.output.shape, layer.output.channels) == ((5, 6), 6)


def test_tokens_without_a_row_and_scales_per_row_are_refused() -> None:
    with pytest.raises(UnknownPrecision, match="between"):
        hwcost.trace(embedding(), torch.zeros(1, 5, dtype=torch.int64), input_range=between(0, 10))
    with pytest.raises(BadOption, match="per_channel=False"):
        QuantEmbedding(10, 6, weight_quant=const_weight(bits=4))
