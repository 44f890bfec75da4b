"""The law of losses: values by hand, slopes against difference quotients."""

from __future__ import annotations

import numpy as np
import pytest
from bit_spaces import MIXED
from optuna.distributions import CategoricalDistribution, IntDistribution

from hwcost.search.samplers.decay_law import DecayLaw
from hwcost.search.samplers.grid import Grid


def test_slopes_of_the_law() -> None:
    grid = Grid(MIXED)
    law = DecayLaw(grid)
    random = np.random.default_rng(0)
    parts = law.prior_mean + 0.3 * law.prior_sd * random.standard_normal(len(law.prior_mean))
    rows = random.integers(0, grid.sizes, (30, len(MIXED)))
    mean, slopes, by_sum = law(parts, rows)
    for at in range(len(parts)):
        step = np.eye(len(parts))[at] * 1e-6
        numeric = (law(parts + step, rows)[0] - law(parts - step, rows)[0]) / 2e-6
        assert slopes[:, at] == pytest.approx(numeric, abs=1e-8)
    common = np.eye(len(parts))[-4] * 1e-6  # of all sensitivities: the logarithm of the sum
    assert by_sum == pytest.approx((law(parts + common, rows)[0] - mean) / 1e-6, abs=1e-5)


SMALL = Grid({"w": IntDistribution(2, 4), "kind": CategoricalDistribution(["x", "y"])})


def test_the_law_by_hand() -> None:
    """One sensitivity and one decay of w, a term for each choice; the sum saturates at the level, above the floor."""
    law = DecayLaw(SMALL)
    parts = np.array([*np.log([0.5, 0.2, 0.3]), np.log(3.0), np.log(2.0), np.log(1.5), np.log(4.0), 0.1])
    levels = np.array([[0, 0], [2, 1], [1, 1]])
    total = 2 * np.array([0.5 + 0.2, 0.5 * np.exp(-4.5) + 0.3, 0.5 * np.exp(-2.25) + 0.3])
    assert law.total(parts, levels) == pytest.approx(total)
    assert law(parts, levels)[0] == pytest.approx(0.1 + 4 * (1 - np.exp(-total / 4)))


def test_before_any_trial_noise_falls_by_four_per_bit() -> None:
    law = DecayLaw(SMALL)
    assert len(law.prior_mean) == len(law.prior_sd) == 8
    first, second, third = law.total(law.prior_mean, np.array([[0, 0], [1, 0], [2, 0]])) - 0.5
    assert (first / second, second / third) == pytest.approx((4, 4))


def test_any_two_choices_are_as_far_apart_as_the_ends_of_a_range() -> None:
    distance = DecayLaw(SMALL).square_distance(np.array([[0, 0]]), np.array([[0, 0], [1, 0], [2, 0], [0, 1], [2, 1]]))
    assert distance[0] == pytest.approx([0, 0.25, 1, 1, 2])
