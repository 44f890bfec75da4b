"""Fronts against brute force over pairs, cells and Optuna."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from hwcost.errors import BadOption
from hwcost.report.pareto import cheapest_within, hypervolume, knee, non_dominated

DIRECTIONS = st.lists(st.sampled_from(["maximize", "minimize"]), min_size=1, max_size=4)


def clouds(objectives: int, size: int = 8) -> st.SearchStrategy[list[list[int]]]:
    """Small integers: ties and copies are common."""
    row = st.lists(st.integers(0, 5), min_size=objectives, max_size=objectives)
    return st.lists(row, min_size=0, max_size=size)


def beats(a: list[float], b: list[float], directions: list[str]) -> bool:
    gains = [x - y if d == "maximize" else y - x for x, y, d in zip(a, b, directions, strict=True)]
    return all(g >= 0 for g in gains) and any(g > 0 for g in gains)


@given(st.data(), DIRECTIONS)
def test_non_dominated_is_what_no_pair_contradicts(data: st.DataObject, directions: list[str]) -> None:
    points = data.draw(clouds(len(directions), size=15))
    expected = [not any(beats(other, own, directions) for other in points) for own in points]
    assert non_dominated(points, directions).tolist() == expected


def test_copies_stay_and_nan_never_wins() -> None:
    points = [[1.0, 1.0], [1.0, 1.0], [np.nan, 9.0], [9.0, np.nan], [0.5, np.inf]]
    assert non_dominated(points, ["maximize", "maximize"]).tolist() == [True, True, False, False, True]
    assert non_dominated([[np.nan]], ["minimize"]).tolist() == [False]


@given(st.data(), DIRECTIONS)
def test_hypervolume_counts_unit_cells(data: st.DataObject, directions: list[str]) -> None:
    points = data.draw(clouds(len(directions)))
    # maximized objectives are measured from 0 up, minimized ones from 5 down: cells are the unit cubes of 0..5
    reference = [0 if d == "maximize" else 5 for d in directions]
    covered = 0
    for cell in itertools.product(range(5), repeat=len(directions)):
        covered += any(
            all(c + 1 <= p if d == "maximize" else c >= p for c, p, d in zip(cell, row, directions, strict=True))
            for row in points
        )
    assert hypervolume(points, reference, directions) == covered


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
def test_hypervolume_agrees_with_optuna(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    points = rng.random((40, objectives))
    reference = np.full(objectives, 0.9)
    ours = hypervolume(points, reference, ["minimize"] * objectives)
    inside = points[(points < reference).all(axis=1)]
    assert ours == pytest.approx(compute_hypervolume(inside, reference), rel=1e-12)
    assert hypervolume(-points, -reference, ["maximize"] * objectives) == pytest.approx(ours, rel=1e-12)


def test_a_point_on_or_behind_the_reference_adds_nothing() -> None:
    points = [[0.5, 0.5], [0.1, 1.0], [np.nan, 0.0], [0.2, 3.0]]
    assert hypervolume(points, [1.0, 1.0], ["minimize", "minimize"]) == 0.25


def test_knee_is_the_farthest_from_the_chord() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        accuracy, cost = rng.random(12), rng.uniform(1, 1e4, 12)
        front = [i for i in range(12) if not any(beats([accuracy[j], -cost[j]], [accuracy[i], -cost[i]],
                 ["maximize", "maximize"]) for j in range(12))]  # fmt: skip
        if len(front) == 1:
            assert knee(accuracy, cost) is None
            continue
        low, high = min(front, key=lambda i: cost[i]), max(front, key=lambda i: cost[i])
        start, end = (np.array([np.log(cost[i]), accuracy[i]]) for i in (low, high))
        distances = {}
        for i in front:
            across, along = (np.array([np.log(cost[i]), accuracy[i]]) - start) / (end - start)
            distances[i] = (along - across) / np.sqrt(2)  # signed distance from the diagonal of the unit square
        best = max(distances, key=lambda i: distances[i])
        assert knee(accuracy, cost) == (best if len(front) > 2 and distances[best] > 1e-9 else None)


@pytest.mark.parametrize(
    ("accuracy", "cost"),
    [([], []), ([0.5], [3]), ([0.5, 0.9], [3, 9]), ([0.5] * 4, [7] * 4), ([0.1, 0.2, 0.9], [1, 10, 100])],
)
def test_no_knee(accuracy: list[float], cost: list[float]) -> None:
    assert knee(accuracy, cost) is None


@given(clouds(2), st.integers(0, 5), st.integers(0, 5))
def test_cheapest_within_by_trying_all(points: list[list[int]], best: int, drop: int) -> None:
    accuracy, cost = [p[0] for p in points], [p[1] for p in points]
    good = [i for i in range(len(points)) if accuracy[i] >= best - drop]
    expected = min(good, key=lambda i: (cost[i], -accuracy[i], i)) if good else None
    assert cheapest_within(accuracy, cost, best, drop) == expected


def test_a_drop_of_exactly_one_point_is_within_one_point() -> None:
    assert 0.97 < 0.98 - 0.01 + 1e-15  # the sum is what it looks like only up to rounding
    for thousandths in range(1, 100):
        best = 0.985
        assert cheapest_within([best - thousandths / 1000], [1], best, thousandths / 1000) == 0
    assert cheapest_within([np.nan, 0.9], [1, np.nan], 0.9, 0.5) is None


def test_bad_input_names_itself() -> None:
    with pytest.raises(BadOption, match="'up'"):
        non_dominated([[1.0]], ["up"])
    with pytest.raises(BadOption, match="2 directions"):
        non_dominated([[1.0]], ["maximize", "minimize"])
    with pytest.raises(BadOption, match="no objective"):
        non_dominated([], [])
    with pytest.raises(BadOption, match="finite"):
        hypervolume([[1.0]], [np.inf], ["minimize"])
    with pytest.raises(BadOption, match="finite"):
        hypervolume([[-np.inf]], [1.0], ["minimize"])
    with pytest.raises(BadOption, match="above 0"):
        knee([1, 2, 3], [0, 1, 2])
    with pytest.raises(BadOption, match="one length"):
        knee([1, 2, 3], [1, 2])
    with pytest.raises(BadOption, match="drop -1"):
        cheapest_within([1], [1], 1, -1)
