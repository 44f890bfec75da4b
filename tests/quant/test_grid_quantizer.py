"""Quantizers of files: codes between any two integers, and counts of thresholds."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant import GridQuantizer, ThresholdQuantizer
from hwcost.quant.grid_quantizer import ROUNDINGS


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_codes_lie_in_their_range_and_the_gradient_passes_inside(rounding: str) -> None:
    quantizer = GridQuantizer(step=torch.tensor([[0.5], [0.25]]), low=-3, high=5, rounding=rounding, zero_point=1)
    x = (torch.arange(-40, 40) / 16).expand(2, -1).clone().requires_grad_()
    codes = quantizer.integers(x)
    assert (int(codes.min()), int(codes.max())) == (-3, 5)
    assert float(quantizer.range().low) == -3 and float(quantizer.range().bits) == 4
    torch.testing.assert_close(quantizer(x), codes * quantizer.step())
    quantizer(x).sum().backward()
    inside = (x >= -3 * quantizer.step()) & (x <= 5 * quantizer.step())
    assert x.grad is not None and torch.equal(x.grad, inside.float())


def test_thresholds_are_counted_by_channel() -> None:
    quantizer = ThresholdQuantizer(torch.tensor([[1.0, -1.0], [0.0, 2.0]]), step=0.5, low=-1)
    x = torch.tensor([[[-1.0, 1.0], [0.5, 2.0]]], requires_grad=True)
    assert quantizer(x).tolist() == [[[0.0, 0.5], [0.0, 0.5]]]
    assert quantizer.integers(x).tolist() == [[[0, 1], [0, 1]]]
    quantizer(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
    assert torch.isnan(quantizer(torch.full((1, 2, 1), float("nan")))).all()


def test_one_threshold_may_be_bipolar() -> None:
    quantizer = ThresholdQuantizer(torch.tensor([[0.5]]), step=2.0, low=-1, bipolar=True)
    assert quantizer(torch.tensor([[0.4, 0.5]])).tolist() == [[-2.0, 2.0]] and quantizer.range().bipolar
    assert not ThresholdQuantizer(torch.tensor([[0.5]]), low=-1).range().bipolar  # -1 and 0


def test_senseless_arguments_are_refused() -> None:
    with pytest.raises(BadOption, match="low=3, high=3; give at least two codes"):
        GridQuantizer(step=1.0, low=3, high=3)
    with pytest.raises(BadOption, match="rounding='SIDEWAYS'; give one of HALF_EVEN, CEIL"):
        GridQuantizer(step=1.0, low=0, high=3, rounding="SIDEWAYS")
    with pytest.raises(BadOption, match=r"thresholds of shape \(3,\)"):
        ThresholdQuantizer(torch.zeros(3))
    with pytest.raises(BadOption, match="bipolar with 2 levels from 0; give 1 from -1"):
        ThresholdQuantizer(torch.zeros(1, 2), bipolar=True)
