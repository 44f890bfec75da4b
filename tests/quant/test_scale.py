"""Thresholds: what they are, how they learn, and how they return from below their floor."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    ConstScale,
    Domain,
    IntQuantizer,
    LearnedScale,
    RunningScale,
    StatScale,
    abs_max,
    abs_mean,
    mean_sigma,
)
from hwcost.quant.scale import LEAST


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), torch.tensor([1.0, 0.0])])
@pytest.mark.parametrize("kind", [ConstScale, LearnedScale])
def test_thresholds_are_finite_and_above_zero(kind: Any, value: Any) -> None:
    with pytest.raises(BadOption, match=rf"{kind.__name__}\(.*above 0"):
        kind(value)


@pytest.mark.parametrize("domain,expected", [(FLOAT, 1.3), (LOG, 1.3), (POW2, 2.0)])
def test_a_threshold_in_its_domain(domain: Domain, expected: float) -> None:
    assert float(LearnedScale(1.3, domain=domain)().detach()) == pytest.approx(expected, rel=1e-6)
    assert float(ConstScale(1.3, domain=domain)()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("domain", [FLOAT, LOG, POW2])
@pytest.mark.parametrize("path", ["numbers", "tensors"])
def test_a_threshold_that_overshot_below_its_floor_comes_back(domain: Domain, path: str) -> None:
    scale = LearnedScale(0.01, domain=domain)
    quantizer, x = IntQuantizer(bits=4, scale=scale, signed=False), torch.rand(256) * 6
    if path == "tensors":
        scale.register_forward_hook(lambda *_: None)
    with torch.no_grad():
        scale.value.fill_(-0.5 if domain is FLOAT else -20.0)
    optimizer = torch.optim.Adam([scale.value], lr=0.2)
    for _ in range(250):
        optimizer.zero_grad()
        loss = (quantizer(x) - x).square().mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05


def test_a_threshold_does_not_run_away_below_its_floor() -> None:
    scale = LearnedScale(0.01, domain=FLOAT)
    quantizer = IntQuantizer(bits=4, scale=scale, signed=False)
    with torch.no_grad():
        scale.value.fill_(-0.5)
    quantizer(torch.ones(3)).sum().backward()  # a smaller threshold would lower this sum
    assert float(scale.value.grad) == 0  # type: ignore[arg-type] # it has one


def test_a_learned_addend_comes_back_from_below_the_floor() -> None:
    scale = StatScale(abs_max, affine=True)
    assert scale.gain is not None and scale.bias is not None
    with torch.no_grad():
        scale.gain.fill_(0.0)
        scale.bias.fill_(LEAST / 2)
    IntQuantizer(bits=4, scale=scale)(torch.tensor([1.0, -2.0])).square().sum().neg().backward()
    assert float(scale.bias.grad) < 0 and float(scale.gain.grad) < 0  # type: ignore[arg-type] # they have one


WEIGHTS = torch.tensor([[0.5, -1.0, 0.2], [3.0, 0.1, -0.4]])
FACTOR = torch.tensor([[-4.0], [0.25]])


@pytest.mark.parametrize("domain", [FLOAT, LOG, POW2])
def test_a_learned_threshold_follows_its_weights(domain: Domain) -> None:
    scale = LearnedScale.from_stat(abs_max, channel_dim=0, domain=domain)
    scale.start(WEIGHTS)
    with torch.no_grad():
        scale.value += 1.0  # what it has learned is kept
    before = scale().detach()
    scale.follow(WEIGHTS, WEIGHTS * FACTOR)
    torch.testing.assert_close(scale().detach(), before * FACTOR.abs())


@pytest.mark.parametrize(
    "scale",
    [LearnedScale.from_stat(abs_mean), LearnedScale.from_stat(mean_sigma(2.0)), RunningScale(abs_max)],
    ids=["mean", "sigma", "running"],
)
def test_one_threshold_follows_the_statistic_of_all_weights(scale: Any) -> None:
    if isinstance(scale, LearnedScale):
        scale.start(WEIGHTS)
    else:
        scale(WEIGHTS)
        scale.eval()
    scale.follow(WEIGHTS, WEIGHTS * FACTOR)
    torch.testing.assert_close(scale().detach(), scale.stat(WEIGHTS * FACTOR, None))


def test_an_affine_statistic_follows() -> None:
    scale = StatScale(abs_max, channel_dim=0, affine=True, channels=2)
    assert scale.bias is not None
    scale.bias.data = torch.tensor([0.5, 1.0])
    before = scale(WEIGHTS).detach()
    scale.follow(WEIGHTS, WEIGHTS * FACTOR)
    torch.testing.assert_close(scale(WEIGHTS * FACTOR).detach(), before * FACTOR.abs())


def test_a_constant_and_an_unstarted_threshold() -> None:
    with pytest.raises(BadOption, match=r"constant.*StatScale or LearnedScale"):
        ConstScale(1.0).follow(WEIGHTS, WEIGHTS)
    scale = LearnedScale.from_stat(abs_max)
    scale.follow(WEIGHTS, WEIGHTS * FACTOR)
    assert not scale.started
    with pytest.raises(BadOption, match="no statistic yet"):
        scale()


def test_a_channel_without_weights_keeps_a_finite_threshold() -> None:
    scale = LearnedScale.from_stat(abs_max, channel_dim=0)
    empty = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    scale.start(empty)
    scale.follow(empty, empty * 0)
    assert bool(scale().detach().eq(LEAST).all())


def test_the_protocol_of_ones_own_scale_needs_no_more_than_a_call() -> None:
    class Fixed(torch.nn.Module):
        domain, channel_dim = FLOAT, None

        def forward(self, x: Tensor | None = None) -> Tensor:
            return torch.tensor(2.0)

    x = torch.linspace(-3, 3, 50)
    own, plain = IntQuantizer(bits=4, scale=Fixed()), IntQuantizer(bits=4, scale=ConstScale(2.0))
    assert torch.equal(own(x), plain(x)) and torch.equal(own.step(), plain.step())
    with pytest.raises(BadOption, match=r"Fixed has no follow"):
        own.follow(WEIGHTS, WEIGHTS)
