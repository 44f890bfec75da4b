"""A GRU mixes its state with a candidate, on one grid, and rounds one bias to it."""

from __future__ import annotations

import torch
from sequence_networks import WEIGHT, grid

from hwcost.quant.layers.gru import GRUUnit


def unit(bias: bool = True) -> GRUUnit:
    return GRUUnit(3, 4, bias, weight_quant=WEIGHT(), source=grid(power=True))


def test_a_state_between_candidate_and_state() -> None:
    layer = unit()
    with torch.no_grad():
        states = layer.unrolled(torch.randn(6, 40, 12) * 3, layer.weight_hh)
    assert torch.equal(states * 128, torch.round(states * 128))
    assert bool((states >= -1).all() & (states <= 127 / 128).all()) and float(states.std()) > 0.1


def test_the_bias_of_the_state_is_whole_and_part_of_its_range() -> None:
    layer = unit()
    step = layer.state_row_steps()[8:]
    whole = layer.whole_bias().detach().double() / step
    assert torch.allclose(whole, torch.round(whole), atol=1e-3)
    with torch.no_grad():
        _, second, _ = layer.sums()
        assert float(layer.biased(second).high) >= float(second.high) + float(whole.max()) - 1e-3
    assert unit(bias=False).biased(second) is second


def test_the_bias_learns() -> None:
    layer = unit()
    layer(torch.randn(2, 5, 3)).sum().backward()
    assert layer.bias_hh is not None and layer.bias_hh.grad is not None
    assert float(layer.bias_hh.grad[8:].abs().sum()) > 0
