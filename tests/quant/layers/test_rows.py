"""Arithmetic on rows: means, differences and largest elements, by brute force over the integers."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import grid

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Signal
from hwcost.quant import IntQuantizer, LearnedScale
from hwcost.quant.layers.rows import RowDifference, RowMax, RowMean


def rows(features: int) -> torch.Tensor:
    torch.manual_seed(0)
    ends = torch.tensor([[-8] * features, [7] * features])
    return torch.cat([ends, torch.randint(-8, 8, (200, features))])


@pytest.mark.parametrize("features", [1, 2, 7, 16, 17, 100])
@pytest.mark.parametrize("bits", [0, 2, 6])
def test_a_mean_is_the_nearest_and_reaches_its_described_ends(features: int, bits: int) -> None:
    layer = RowMean(features, grid(4), fraction_bits=bits)
    x = rows(features)
    found = layer.codes(x)
    exact = x.double().mean(-1, keepdim=True) * 2**bits
    assert float((found - exact).abs().max()) <= 0.5 + 0.25 * (features & (features - 1) > 0)
    assert (int(layer.range().low), int(layer.range().high)) == (int(found.min()), int(found.max()))


def test_the_gradient_is_that_of_the_mean() -> None:
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    RowMean(5, grid(8)).double()(x).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad, torch.full_like(x, 0.2))


def test_a_difference_is_exact() -> None:
    source = grid(4)
    mean = RowMean(6, source)
    layer, x = RowDifference(source, mean, bits=2), rows(6)
    found = layer.codes(x, mean.codes(x))
    assert torch.equal(found, 4 * x - mean.codes(x))
    assert float(layer.range().low) <= float(found.min()) and float(found.max()) <= float(layer.range().high)


def test_the_largest_element() -> None:
    layer = RowMax(grid(4))
    assert layer.codes(rows(5)).flatten().tolist() == rows(5).amax(1).tolist()
    x = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0, 1, 0]]


def test_another_source_and_a_scale_per_channel_are_refused() -> None:
    own, other = grid(4), grid(4)
    layer = RowMean(6, own)
    signal = Signal(range=integers(4, signed=True), shape=(3, 6), channels_last=True, grid=other)
    with pytest.raises(UnknownPrecision, match="another source"):
        layer.describe(signal, shape=(3, 1))
    layer.set_sources(other)
    assert len(layer.describe(signal, shape=(3, 1)).blocks) == 2
    each = RowMean(6, IntQuantizer(bits=4, scale=LearnedScale(torch.ones(6))))
    with pytest.raises(UnknownPrecision, match="one scale for all channels"):
        each(torch.zeros(3, 6))
