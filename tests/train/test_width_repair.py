"""Landing in a budget: what fits stays inside, what does not is brought inside, and what cannot is left alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import tiny_recipe
import torch
from sweeps import experiment

from hwcost.cost.estimate import estimate
from hwcost.cost.width_proxy import learned_widths
from hwcost.graph.ranges import between
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.sweep.trial import Suggestion, run_trial
from hwcost.train.loop import Training
from hwcost.train.width_repair import Landing, cost_at_floors

Network = tuple[tiny_recipe.TinyNet, Pipeline, Dataflow]


@pytest.fixture
def network() -> Network:
    """Three widths, 2 to 16 bits, at 8."""
    net = tiny_recipe.TinyNet(2)
    pipeline = trace(net, torch.zeros(1, 1, 4, 4), input_range=between(0, 15))
    set_widths(net, [8.0, 8.0, 8.0])
    return net, pipeline, Dataflow(device="PYNQ-Z1", folding=target_fps(pipeline, 400_000))


def set_widths(net: torch.nn.Module, real: list[float]) -> None:
    with torch.no_grad():
        for width, bits in zip(learned_widths(net).values(), real, strict=True):
            width.offset.fill_(bits - 2)


def bits(net: torch.nn.Module) -> list[int]:
    return [int(width()) for width in learned_widths(net).values()]


def luts(network: Network) -> float:
    return float(estimate(*network[1:]).total["LUT"])


def amount(network: Network, real: list[float]) -> float:
    set_widths(network[0], real)
    return luts(network)


@pytest.mark.parametrize("resource", ["LUT", "FF"])
def test_it_lands_inside_and_no_width_can_grow(network: Network, resource: str) -> None:
    net, pipeline, model = network
    landing_ends = {}
    for end in (2.0, 8.0):
        set_widths(net, [end] * 3)
        landing_ends[end] = float(estimate(pipeline, model).total[resource])
    for share in (0.0, 0.1, 0.3, 0.5, 0.8):
        limit = landing_ends[2.0] + share * (landing_ends[8.0] - landing_ends[2.0])
        landing = Landing(net, pipeline, model, {resource: limit})  # starts at 8 bits
        for found in ([7.4, 6.6, 7.9], [2.2, 3.4, 2.1], [8.0, 2.0, 5.0]):
            set_widths(net, found)
            assert landing()
            assert estimate(pipeline, model).total[resource] <= limit
            landed = bits(net)
            for at in range(3):
                if landed[at] < 8:
                    set_widths(net, [float(width + (at == here)) for here, width in enumerate(landed)])
                    assert estimate(pipeline, model).total[resource] > limit
            set_widths(net, [8.0] * 3)


def test_the_width_that_was_rounded_up_most_gives_first(network: Network) -> None:
    net, pipeline, model = network
    found = [5.6, 6.4, 5.9]
    limit = amount(network, [5.0, 6.0, 6.0])  # one bit less, of the first
    assert limit < amount(network, [6.0, 6.0, 6.0])
    landing = Landing(net, pipeline, model, {"LUT": limit})
    set_widths(net, found)
    assert landing() and bits(net) == [5, 6, 6]


def test_widths_never_grow_above_where_they_started(network: Network) -> None:
    net, pipeline, model = network
    set_widths(net, [5.0, 4.0, 6.0])
    landing = Landing(net, pipeline, model, {"LUT": 1e9})
    set_widths(net, [3.0, 4.0, 7.0])  # the task itself drove one beyond: that one stays
    assert landing() and bits(net) == [5, 4, 7]


def test_a_limit_below_everything_is_told_and_left_at_the_least(network: Network) -> None:
    net, pipeline, model = network
    landing = Landing(net, pipeline, model, {"LUT": 1.0})
    set_widths(net, [4.0, 4.0, 4.0])
    assert not landing()
    least = luts(network)
    assert least <= amount(network, [2.0, 2.0, 2.0])


def test_frozen_widths_stay(network: Network) -> None:
    net, pipeline, model = network
    limit = amount(network, [4.0, 4.0, 4.0])
    landing = Landing(net, pipeline, model, {"LUT": limit})
    set_widths(net, [6.0, 6.0, 6.0])
    widths = list(learned_widths(net).values())
    widths[0].offset.requires_grad_(False)
    assert landing()
    assert bits(net)[0] == 6 and luts(network) <= limit


@pytest.mark.parametrize("keep", ["lagrangian", "target", "weighted"])
def test_trials_land_in_their_budget(tmp_path: Path, keep: str) -> None:
    training = Training(epochs=4, batch=16, lr=2e-2, width_lr=2.0, keep=keep, ramp=10.0)  # type: ignore[arg-type]
    recipe = replace(tiny_recipe.recipe, training=training)
    sweep = experiment(recipe, tmp_path)
    data = sweep.load()
    costs = []
    low, high = tiny_recipe.luts(2), tiny_recipe.luts(5)  # where the widths can go, and where they start
    for budget in (low + share * (high - low) for share in (0.3, 0.6, 0.9)):
        suggestion = Suggestion(number=0, params={"base": 2, "lut_budget": budget}, seed=1)
        outcome, _ = run_trial(sweep, data, suggestion)
        assert outcome.attributes["within_budget"] and outcome.attributes["LUT"] <= budget
        costs.append(outcome.attributes["LUT"])
    assert all(less < more for less, more in pairwise(costs))


def test_the_cost_at_the_floors_is_the_least_and_leaves_the_widths(network: Network) -> None:
    net, pipeline, model = network
    assert cost_at_floors(net, pipeline, model)["LUT"] == amount(network, [2.0, 2.0, 2.0])
    set_widths(net, [6.0, 5.0, 4.0])
    frozen = next(iter(learned_widths(net).values()))
    frozen.offset.requires_grad_(False)
    assert cost_at_floors(net, pipeline, model)["LUT"] == amount(network, [6.0, 2.0, 2.0])
    set_widths(net, [6.0, 5.0, 4.0])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    cost_at_floors(net, pipeline, model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
