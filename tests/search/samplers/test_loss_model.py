"""The model of the loss: finds a law that it was not told, measures noise, and expects nothing new of what runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from bit_spaces import BITS, Floats, loss

from hwcost.search.samplers.grid import Grid
from hwcost.search.samplers.loss_model import LossModel


def observed(count: int, seed: int, noise: float = 0.0) -> tuple[Grid, Any, Floats]:
    grid, random = Grid(BITS), np.random.default_rng(seed)
    rows = random.integers(0, 7, (count, 4))
    losses = np.array([loss(grid.params(row)) for row in rows])
    return grid, rows, losses + random.normal(0, noise, count)


def test_the_model_finds_its_own_law() -> None:
    grid, rows, losses = observed(40, 1)
    _, others, truth = observed(300, 2)
    mean, deviation = LossModel(grid, rows, losses).predict(others)
    assert np.median(np.abs(mean - truth) / truth) < 0.02
    assert (np.abs(mean - truth) < 4 * deviation + 1e-3).mean() > 0.95


def test_noise_widens_what_the_model_says_and_a_failed_training_does_not_mislead_it() -> None:
    grid, rows, losses = observed(60, 3, noise=0.02)
    _, others, truth = observed(300, 4)
    clean = LossModel(grid, rows, losses)
    assert 0.005 < clean.noise < 0.08
    failed = losses.copy()
    failed[int(np.argmin(losses))] = losses.max()  # the best of all, trained to no avail
    mean, deviation = LossModel(grid, rows, failed).predict(others)
    assert np.median(np.abs(mean - truth)) < 0.015
    assert (np.abs(mean - truth) < 3 * deviation).mean() > 0.9


def test_what_runs_is_expected_to_give_the_mean_and_leaves_less_to_learn_around_it() -> None:
    grid, rows, losses = observed(20, 5, noise=0.02)
    _, others, _ = observed(100, 6)
    running = others[:4]
    model = LossModel(grid, rows, losses)
    mean, deviation = model.predict(others)
    model.expect(running)
    again, less = model.predict(others)
    np.testing.assert_allclose(again, mean, rtol=1e-6, atol=1e-9)
    assert (less <= deviation + 1e-9).all() and (less[:4] < 0.9 * deviation[:4]).all()
    untouched = LossModel(grid, rows, losses)
    untouched.expect(running[:0])
    np.testing.assert_array_equal(untouched.predict(others)[1], deviation)
