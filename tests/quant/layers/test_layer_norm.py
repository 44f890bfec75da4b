"""Norms on integers are close to those of torch, train alike, and say what they lack."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import grid
from torch import nn

from hwcost.errors import BadOption
from hwcost.quant import QuantLayerNorm, QuantRMSNorm


@pytest.mark.parametrize("features", [8, 17, 64])
@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_values_and_gradients_are_those_of_torch(features: int, kind: str) -> None:
    torch.manual_seed(0)
    norm = (QuantLayerNorm if kind == "layer" else QuantRMSNorm)(features, input_quant=grid(10)).double()
    wanted = (nn.LayerNorm(features) if kind == "layer" else nn.RMSNorm(features, eps=1e-5)).double()
    x = torch.randn(64, features, dtype=torch.float64, requires_grad=True)
    y, z = norm(x), wanted(x)
    assert float((y - z).abs().max().detach()) < 0.01 + 0.03 * float(z.abs().max().detach())
    (found,), (exact,) = torch.autograd.grad((y**3).sum(), x), torch.autograd.grad((z**3).sum(), x)
    assert float((found - exact).abs().max()) < 0.1 * float(exact.abs().max())


@pytest.mark.parametrize("features", [6, 16, 100])
@pytest.mark.parametrize("kind", [QuantLayerNorm, QuantRMSNorm])
def test_values_are_those_of_the_layers_one_by_one(features: int, kind: type[QuantRMSNorm]) -> None:
    torch.manual_seed(0)
    norm = kind(features, input_quant=grid(8))
    assert norm.enter is not None
    single = norm.enter(torch.randn(50, features) * torch.logspace(-3, 1, 50)[:, None]).detach()
    with torch.no_grad():
        unit = float(norm.product.step())
        codes = torch.round(norm(single) / unit)
        norm, x = norm.double(), single.double()
        rows = x if norm.mean is None else norm.difference(x, norm.mean(x))
        exact = norm.product(rows, norm.inverse(rows))
        assert torch.equal(norm(x), exact)
        assert torch.equal(codes, torch.round(exact / unit).float())


def test_the_factors_learn_and_none_is_left_out() -> None:
    norm = QuantLayerNorm(4, input_quant=grid())
    norm(torch.randn(5, 4)).sum().backward()
    assert norm.weight is not None and norm.weight.grad is not None
    assert norm.bias is not None and norm.bias.grad is not None
    assert QuantRMSNorm(4, input_quant=grid()).bias is None
    assert QuantRMSNorm(4, affine=False, input_quant=grid()).weight is None


def test_several_dimensions_and_no_step_are_refused() -> None:
    with pytest.raises(BadOption, match="last dimension"):
        QuantLayerNorm((3, 4), input_quant=grid())
    with pytest.raises(BadOption, match="source="):
        QuantLayerNorm(4)
