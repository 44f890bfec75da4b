"""The gain in hypervolume, against the hypervolume of the front with and without the candidate."""

from __future__ import annotations

import numpy as np
import pytest
from bit_spaces import Floats

from hwcost.report.pareto import hypervolume
from hwcost.search.samplers.hypervolume_gain import Gain, Scales


@pytest.mark.parametrize("kinds", [1, 2])
def test_gain_of_a_certain_loss_is_the_hypervolume_it_adds(kinds: int) -> None:
    random = np.random.default_rng(kinds)
    losses, costs = random.uniform(1, 50, 12), random.uniform(10, 1000, (12, kinds))
    scales = Scales(floor=0.5, soft=0.1, low=costs.min(0), high=np.full(kinds, 1000.0))
    gain = Gain(scales, losses, costs, worst=50.0)
    corner = [scales.loss(np.array([50.0]), np.zeros(1))[0][0], *scales.cost(scales.high[None])[0]]
    both = ["minimize"] * (kinds + 1)

    def volume(losses: Floats, costs: Floats) -> float:
        return hypervolume(np.column_stack([scales.loss(losses, losses)[0], scales.cost(costs)]), corner, both)

    new_losses, new_costs = random.uniform(0, 60, 40), random.uniform(5, 1100, (40, kinds))
    before = volume(losses, costs)
    added = [
        volume(np.append(losses, x), np.vstack([costs, c])) - before for x, c in zip(new_losses, new_costs, strict=True)
    ]
    assert max(added) > 0 and min(added) == 0
    assert gain(new_losses, np.zeros(40), new_costs) == pytest.approx(added, abs=1e-6)


def test_gain_of_an_uncertain_loss_is_the_mean_gain() -> None:
    random = np.random.default_rng(3)
    costs = random.uniform(10, 1000, (6, 1))
    scales = Scales(floor=0.0, soft=1.0, low=costs.min(0), high=np.array([1000.0]))
    gain = Gain(scales, random.uniform(1, 50, 6), costs, worst=50.0)
    mean, deviation, cost = np.array([9.0]), np.array([4.0]), np.array([[300.0]])
    middle, spread = scales.loss(mean, deviation)
    draws = np.exp(random.normal(middle, spread, 20_000)) - scales.soft  # normal on the scale
    expected = gain(draws, np.zeros(20_000), np.repeat(cost, 20_000, axis=0)).mean()
    assert gain(mean, deviation, cost)[0] == pytest.approx(expected, rel=0.03)


def test_without_costs_the_gain_is_the_expected_improvement() -> None:
    scales = Scales(floor=0.0, soft=1.0, low=np.empty(0), high=np.empty(0))
    gain = Gain(scales, np.array([6.0, 3.0]), np.empty((2, 0)), worst=9.0)
    found = gain(np.array([1.0, 3.0, 5.0]), np.zeros(3), np.empty((3, 0)))
    assert found == pytest.approx([np.log(4 / 2), 0, 0], abs=1e-8)


def test_scales_are_logarithms() -> None:
    scales = Scales(floor=2.0, soft=0.5, low=np.array([10.0, 3.0]), high=np.array([110.0, 3.0]))
    mean, deviation = scales.loss(np.array([3.5, 1.0]), np.array([0.4, 0.4]))
    assert mean == pytest.approx(np.log([2.0, 0.5])) and deviation == pytest.approx([0.2, 0.8])
    assert scales.cost(np.array([[50.0, 3.0]])) == pytest.approx(np.log([[0.51, 3.01]]))
