"""Statistics of magnitudes, by hand, for whole tensors and along dimensions."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from math import inf, nan, sqrt
from statistics import mean, stdev
from typing import Any

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant.stats import (
    LearnedSigma,
    abs_max,
    abs_mean,
    he,
    mean_of_channel_max,
    mean_plus_sigma,
    mean_sigma,
    percentile,
)

X = torch.tensor([[3.0, -4.0, 1.0, 0.0], [-2.0, 2.0, 8.0, -6.0]])
ROWS = [[3.0, 4.0, 1.0, 0.0], [2.0, 2.0, 8.0, 6.0]]


def by_hand(rows: list[list[float]], sigma: float) -> list[float]:
    return [mean(row) + sigma * sqrt(stdev(row) ** 2 + 1e-8) for row in rows]


@pytest.mark.parametrize(
    ("stat", "whole", "rows"),
    [
        (abs_max, 8.0, [4.0, 8.0]),
        (abs_mean, 26 / 8, [2.0, 4.5]),
        (mean_sigma(2.0), by_hand([[*ROWS[0], *ROWS[1]]], 2.0)[0], by_hand(ROWS, 2.0)),
        (LearnedSigma(2.0), by_hand([[*ROWS[0], *ROWS[1]]], 2.0)[0], by_hand(ROWS, 2.0)),
        (percentile(50), 2.0, [1.0, 2.0]),
        (percentile(100), 8.0, [4.0, 8.0]),
        (percentile(1), 0.0, [0.0, 2.0]),
    ],
    ids=["max", "mean", "sigma", "learned sigma", "median", "largest", "smallest"],
)
def test_statistics_of_all_and_of_rows(stat: Callable[..., Any], whole: float, rows: list[float]) -> None:
    assert stat(X, None).shape == () and stat(X, None).item() == pytest.approx(whole)
    along = stat(X, (1,))
    assert along.shape == (2, 1) and along.flatten().tolist() == pytest.approx(rows)
    image = X.reshape(2, 2, 1, 2)  # all but the first dimension
    assert stat(image, (1, 2, 3)).flatten().tolist() == pytest.approx(rows)


def test_one_number_of_the_largest_of_each_channel() -> None:
    assert mean_of_channel_max(X).item() == 6.0 and mean_of_channel_max(X[0]).item() == 4.0
    with pytest.raises(BadOption, match="it is one number per tensor"):
        mean_of_channel_max(X, (1,))


def test_the_first_of_equals_gets_the_gradient() -> None:
    x = torch.tensor([[1.0, -5.0, 5.0], [2.0, 0.0, 2.0]], requires_grad=True)
    abs_max(x, (1,)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0, -1, 0], [1, 0, 0]]


def test_squares_of_large_values_do_not_overflow_and_one_element_has_no_spread() -> None:
    assert mean_plus_sigma(X * 1e30, None, 1.0).item() == pytest.approx(1e30 * by_hand([[*ROWS[0], *ROWS[1]]], 1.0)[0])
    assert mean_plus_sigma(torch.tensor([3.0]), None, 9.0).item() == pytest.approx(3.0 + 9e-4)


def test_a_learned_sigma_has_a_gradient_and_a_shape() -> None:
    stat = LearnedSigma(2.0, shape=(2, 1))
    stat(X, (1,)).sum().backward()
    assert stat.sigma.grad is not None
    assert stat.sigma.grad.flatten().tolist() == pytest.approx([stdev(row) for row in ROWS])


@pytest.mark.parametrize("stat", [mean_sigma(3.0), percentile(99.5)])
def test_a_model_with_a_statistic_can_be_pickled(stat: Any) -> None:
    assert torch.equal(pickle.loads(pickle.dumps(stat))(X), stat(X))


@pytest.mark.parametrize("value", [-1.0, nan, -inf])
def test_numbers_outside_of_their_range_are_named(value: float) -> None:
    with pytest.raises(BadOption, match="give a number of at least 0"):
        mean_sigma(value)
    for wrong in (value, 0.0, 100.1):
        with pytest.raises(BadOption, match="above 0, at most 100"):
            percentile(wrong)


def test_the_spread_of_he() -> None:
    assert he(50) == 0.2 and he(1) == sqrt(2)
    with pytest.raises(BadOption, match="fan-in of at least 1"):
        he(0)
