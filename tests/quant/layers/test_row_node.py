"""Rows normalized as one node: integers are those of the layers, gradients those of torch; NaN stays NaN."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from sequence_networks import grid

from hwcost.graph.inverse import InverseTable
from hwcost.quant import IntQuantizer, QuantLayerNorm, QuantRMSNorm, RunningScale, abs_max
from hwcost.quant.layers.row_node import NormalizedRows, inverses


@pytest.mark.parametrize("kind", ["rsqrt", "reciprocal"])
@pytest.mark.parametrize("high", [7, 64, 1000, 2**29 + 3])
def test_inverses_are_those_of_the_table(kind: str, high: int) -> None:
    table = InverseTable(kind, 5, 8, 3, high)
    z = torch.cat([torch.arange(3, min(high, 3000) + 1), torch.linspace(3, high, 999).to(torch.int64)])
    assert torch.equal(inverses(table, z.double()), table(z).double())
    assert inverses(table, torch.tensor([float("nan"), 1.0, 2.0 * high]).double()).shape == (3,)


@pytest.mark.parametrize("kind", [QuantLayerNorm, QuantRMSNorm])
@pytest.mark.parametrize("affine", [True, False])
def test_gradients_are_those_of_the_norm_in_float(kind: type[QuantRMSNorm], affine: bool) -> None:
    torch.manual_seed(0)
    norm = kind(12, input_quant=grid(9), affine=affine).double()
    assert norm.enter is not None
    rows = norm.enter(torch.randn(7, 3, 12).double()).detach().requires_grad_()
    weight, bias = norm.weight, norm.bias
    for parameter in norm.product.parameters():
        torch.nn.init.normal_(parameter)
    leaves = [leaf for leaf in (rows, weight, bias) if leaf is not None]
    g = torch.randn(7, 3, 12).double()
    y = NormalizedRows.apply(rows, weight, bias, norm._rule(rows))
    float_norm = (
        F.layer_norm(rows, (12,), weight, bias) if norm.mean is not None else F.rms_norm(rows, (12,), weight, eps=1e-5)
    )
    for ours, theirs in zip(torch.autograd.grad(y, leaves, g), torch.autograd.grad(float_norm, leaves, g), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


def test_wide_sums_are_exact_and_numbers_that_are_none_stay_so() -> None:
    torch.manual_seed(0)
    norm = QuantLayerNorm(64, input_quant=grid(14))  # squares of 14 bits do not add up in float32
    assert norm.enter is not None
    rows = norm.enter(3 * torch.randn(20, 64)).detach()
    codes = torch.round(norm(rows).detach() / float(norm.product.step()))
    norm, wide = norm.double(), rows.double()
    apart = norm.difference(wide, norm.mean(wide))  # type: ignore[misc] # a layer norm has a mean
    exact = norm.product(apart, norm.inverse(apart)).detach() / float(norm.product.step())
    assert torch.equal(codes.double(), torch.round(exact))
    rows[0] = float("nan")
    assert norm.float()(rows)[0].isnan().all()


def test_a_measured_scale_is_read_by_tensors() -> None:
    torch.manual_seed(0)
    norm = QuantLayerNorm(8, input_quant=IntQuantizer(bits=8, scale=RunningScale(abs_max, init=4.0)))
    x = torch.randn(30, 8)
    assert float((norm(x) - F.layer_norm(x, (8,))).abs().max().detach()) < 0.1
