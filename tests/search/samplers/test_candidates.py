"""Candidates: those that none beats against brute force; what the breeder varies stays inside the space."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from bit_spaces import BITS, MIXED, Floats

from hwcost.report.pareto import non_dominated
from hwcost.search.samplers.candidates import Breeder, minimal, predicted_front, thinned
from hwcost.search.samplers.grid import Grid, Levels


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_minimal_is_the_front_without_copies(columns: int) -> None:
    for seed in range(20):
        points = np.random.default_rng(seed).integers(0, 6, (60, columns)).astype(float)
        kept = minimal(points)
        front = np.unique(points[non_dominated(points, ["minimize"] * columns)], axis=0)
        assert np.array_equal(points[kept], front)


def test_thinned_rows_are_spread_evenly_with_both_ends() -> None:
    rows = np.arange(11)
    assert thinned(rows, 11) is rows
    assert thinned(rows, 3).tolist() == [0, 5, 10]


def test_neighbours_move_one_parameter() -> None:
    """An ordered one by a level, a categorical one to any other choice; the row itself is among them."""
    grid = Grid(MIXED)
    row = np.array([0, 1, 5, 9, 2, 0])
    found = {tuple(each) for each in Breeder(grid, np.random.default_rng(0)).neighbours(row[None])}
    expected = {tuple(row)}
    for at, choices in enumerate(([1], [0, 2], [4, 6], [8, 10], [0, 1], [])):
        for level in choices:
            moved = row.copy()
            moved[at] = level
            expected.add(tuple(moved))
    assert found == expected


def test_everything_bred_is_in_the_space() -> None:
    grid = Grid(MIXED)
    breeder = Breeder(grid, np.random.default_rng(0))
    anywhere = breeder.anywhere(200)
    for rows in (anywhere, breeder.diagonal(), breeder.children(anywhere[:7], 200)):
        assert (rows >= 0).all() and (rows < grid.sizes).all()
    assert (breeder.diagonal()[[0, -1]][:, grid.ordered] == [[0] * 5, (grid.sizes - 1)[grid.ordered].tolist()]).all()
    assert len(np.unique(anywhere, axis=0)) > 190


@pytest.mark.parametrize("most", [100, 4])
def test_the_predicted_front_is_that_of_all_candidates_that_fit(most: int) -> None:
    grid = Grid({name: BITS[name] for name in "abc"})

    def rank(levels: Levels) -> Floats:
        return np.asarray((4.0**-levels).sum(1))

    def price(levels: Levels) -> tuple[Floats, Floats]:
        cost = levels @ np.array([1.0, 2.0, 3.0])
        return cost[:, None], cost - 20

    def points(levels: Levels) -> list[tuple[float, float]]:
        return list(zip(price(levels)[0][:, 0].tolist(), rank(levels).tolist(), strict=True))

    breeder = Breeder(grid, np.random.default_rng(0))
    found = predicted_front(breeder, np.zeros((1, 3), np.int64), rank, price, rounds=20, children=60, most=most)
    every = np.array(list(product(range(7), repeat=3)))
    fits = points(every[price(every)[1] <= 0])
    front = [fits[at] for at in minimal(np.array(fits))]
    if most < len(front):
        assert len(found) == most and minimal(np.array(points(found))).tolist() == list(range(most))
    else:
        assert points(found) == front
