"""Inverses of rows, and products with them: within their range and their stated error."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import grid

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.quant import learned_activation
from hwcost.quant.layers.row_inverse import RowInverse, RowProduct


def rows(features: int, *, low: int = -128) -> torch.Tensor:
    torch.manual_seed(0)
    ends = [torch.full((1, features), end) for end in (low, 127, 0, 1)]
    return torch.cat([*ends, torch.randint(low, 128, (300, features)), torch.randint(0, 4, (20, features))])


@pytest.mark.parametrize("features", [1, 6, 16, 33])
def test_normalized_rows_are_within_their_range(features: int) -> None:
    inverse = RowInverse(features, grid(8), kind="rsqrt", eps=1e-4)
    layer, x = RowProduct(grid(8), inverse, bits=7), rows(features)
    layer.set_sources(inverse.sources[0], inverse)
    found = layer.codes(x, inverse.codes(x))
    assert float(layer.range().low) <= float(found.min()) and float(found.max()) <= float(layer.range().high)
    wanted = x.double() * ((x.square().sum(-1, keepdim=True) + inverse.addend()).double() / features).rsqrt()
    bound = wanted.abs() * (2.0**-6 + 2.0**-8) + 2.0**-6
    assert bool(((found * float(layer.step().detach()) - wanted).abs() <= bound).all())
    assert inverse.addend() == max(1, round(1e-4 * features / float(inverse.sources[0].step().detach()) ** 2))


def test_a_reciprocal_needs_elements_of_at_least_zero() -> None:
    with pytest.raises(UnknownPrecision, match="reciprocal"):
        RowInverse(4, grid(8), kind="reciprocal").range()
    unsigned = learned_activation(bits=4)
    assert float(RowInverse(4, unsigned, kind="reciprocal", least=15).sums().high.detach()) == 60


def test_gradients_are_those_of_the_norm() -> None:
    inverse = RowInverse(6, grid(8), kind="rsqrt").double()
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(inverse(x).sum(), x)
    (wanted,) = torch.autograd.grad((x.square().mean(-1) + 1e-5).rsqrt().sum(), x)
    assert torch.allclose(found, wanted)


@pytest.mark.parametrize(
    "options", [{"kind": "root"}, {"kind": "rsqrt", "eps": 0.0}, {"kind": "reciprocal", "least": 0}]
)
def test_what_has_no_inverse_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        RowInverse(4, grid(8), **options)
