"""Biases on the grid of the accumulator."""

import torch

from hwcost.graph.ranges import between
from hwcost.quant import BiasQuantizer


def test_widths_per_channel_keep_float64() -> None:
    """A single step of float64 and widths of float32 per channel must not meet in float32."""
    step = torch.tensor(0.1, dtype=torch.float64) / 3
    bias = torch.tensor([0.5, -0.25, 1.0], dtype=torch.float64)
    product = between(torch.tensor([-200.0, -50.0, -900.0]), torch.tensor([200.0, 50.0, 900.0]))
    found = BiasQuantizer().quantize(bias, step, product)
    assert found.dtype == torch.float64
    assert torch.allclose(found, torch.round(bias / step) * step, rtol=1e-14, atol=0.0)
