"""Layers on sequences give the same codes in training and in integers alone, and none leaves its described range."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import CASES, built

import hwcost
from hwcost.integer import IntegerNetwork


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_integers(name: str, seed: int) -> None:
    case, net = CASES[name], built(name, seed=seed)
    pipeline = hwcost.trace(net, case.batch(1), input_range=case.wire)
    whole = IntegerNetwork.of(pipeline, input_step=1.0 if case.tokens else None)
    x = case.batch(16)
    with torch.no_grad():
        wanted = net(x)
    assert torch.allclose(whole.values(x), wanted, rtol=1e-12, atol=1e-12)
    assert float(wanted.std()) > 0.01


@pytest.mark.parametrize("name", ["layer norm", "attention", "lstm", "gru"])
@pytest.mark.parametrize("far", [1e3, 1e-4, 0.0])
def test_no_code_leaves_its_range_at_the_ends_of_the_input(name: str, far: float) -> None:
    case, net = CASES[name], built(name)
    whole = IntegerNetwork.of(hwcost.trace(net, case.batch(1)))
    x = case.batch(8) * far
    with torch.no_grad():
        assert torch.allclose(whole.values(x), net(x), rtol=1e-12, atol=1e-12)
