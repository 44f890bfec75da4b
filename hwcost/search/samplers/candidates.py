"""Candidates near the predicted front, found by varying the best so far; every one of them priced, none trained."""

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwcost.search.samplers.grid import Grid, Levels

Floats = NDArray[np.float64]

Pricer = Callable[[Levels], tuple[Floats, Floats]]
"""Levels -> costs (candidates, costs), and by what the worst limit is exceeded (candidates,); at most 0 fits."""


class Breeder:
    """Varies levels.

    Args:
        grid: the space.
        random: source of all choices.
    """

    def __init__(self, grid: Grid, random: np.random.Generator) -> None:
        self._grid, self._random = grid, random

    def anywhere(self, count: int) -> Levels:
        """Random rows, half of them with all ordered parameters near one common place."""
        grid, random = self._grid, self._random
        free = random.random((count, len(grid.sizes)))
        common = np.clip(random.random((count, 1)) + random.normal(0, 0.08, free.shape), 0, 1 - 1e-9)
        shape = np.where(grid.ordered & (np.arange(count) % 2 == 0)[:, None], common, free)
        rows: Levels = (shape * grid.sizes).astype(np.int64)
        return rows

    def diagonal(self) -> Levels:
        """All ordered parameters at one place: lowest, highest, and between."""
        places = np.linspace(0, 1, 9)[:, None]
        rows: Levels = np.where(self._grid.ordered, np.rint(places * (self._grid.sizes - 1)), 0).astype(np.int64)
        return rows

    def children(self, parents: Levels, count: int) -> Levels:
        """Cross neighbours among the parents, which are sorted by cost, and then move a few levels."""
        random, sizes = self._random, self._grid.sizes
        one = random.integers(len(parents), size=count)
        other = np.clip(one + random.integers(-3, 4, size=count), 0, len(parents) - 1)
        crossed = random.random((count, len(sizes))) < np.where(random.random(count) < 0.5, 0.3, 0.0)[:, None]
        rows = np.where(crossed, parents[other], parents[one])
        moved = random.random(rows.shape) < (random.integers(1, 4, size=count) / len(sizes))[:, None]
        return self._moved(rows, moved)

    def neighbours(self, rows: Levels) -> Levels:
        """Every row with one parameter moved: by one level either way, or to each other choice."""
        found = [rows]
        for at, size in enumerate(self._grid.sizes):
            shifts = (-1, 1) if self._grid.ordered[at] else range(1, size)
            for shift in shifts:
                moved = rows.copy()
                moved[:, at] += shift
                if self._grid.ordered[at]:
                    moved = moved[(moved[:, at] >= 0) & (moved[:, at] < size)]
                else:
                    moved[:, at] %= size
                found.append(moved)
        return np.unique(np.concatenate(found), axis=0)

    def _moved(self, rows: Levels, where: NDArray[np.bool_]) -> Levels:
        """Ordered ones by a step either way, seldom farther; categorical ones to any other choice."""
        random, sizes = self._random, self._grid.sizes
        far = np.where(random.random(rows.shape) < 0.1, np.maximum(2, sizes // 8), 1)
        step = random.choice((-1, 1), size=rows.shape) * far
        jump = random.integers(1, np.maximum(sizes, 2), size=rows.shape)
        ordered = np.clip(rows + step * where, 0, sizes - 1)
        free = (rows + jump * where) % sizes
        moved: Levels = np.where(self._grid.ordered, ordered, free)
        return moved


def predicted_front(
    breeder: Breeder,
    start: Levels,
    rank: Callable[[Levels], Floats],
    price: Pricer,
    *,
    rounds: int,
    children: int,
    most: int,
) -> Levels:
    """The candidates that none beats in rank and costs, sorted by their first cost, at most `most` of them.

    Args:
        breeder: varies the candidates.
        start: rows to begin with; at least one fits.
        rank: levels -> something that grows with the loss.
        price: see `Pricer`.
        rounds: number of rounds.
        children: number of children in each round.
        most: kept from round to round.
    """
    front, points, fresh = start[:0], None, start
    for _ in range(rounds + 1):
        costs, excess = price(fresh)
        fresh, costs = fresh[excess <= 0], costs[excess <= 0]
        found = np.column_stack([costs, rank(fresh)])
        front = np.concatenate([front, fresh])
        points = found if points is None else np.concatenate([points, found])
        keep = thinned(minimal(points), most)
        front, points = front[keep], points[keep]
        fresh = breeder.children(front, children)
    return front


def minimal(points: Floats) -> NDArray[np.int64]:
    """Indices of the rows that none beats, sorted by the first column; of equal rows one."""
    order = np.lexsort(points.T[::-1])
    points = points[order]
    if points.shape[1] == 2:
        best = np.minimum.accumulate(points[:, 1])
        kept: NDArray[np.int64] = order[np.append(True, points[1:, 1] < best[:-1])[: len(points)]]
        return kept
    fresh = np.append(True, (points[1:] != points[:-1]).any(1))[: len(points)]
    order, points = order[fresh], points[fresh]
    if points.shape[1] == 3:
        return np.asarray(order[_above_stairs(points[:, 1:])], dtype=np.int64)
    rivals = points[np.argsort(np.argsort(points, axis=0).sum(1))[:64]]  # good all round: most rows end here
    beaten = ((rivals <= points[:, None]).all(-1) & (rivals < points[:, None]).any(-1)).any(-1)
    order, points = order[~beaten], points[~beaten]
    front = np.empty_like(points)
    alone: list[int] = []
    for at, row in enumerate(points):  # sorted: only an earlier row can beat a later one
        if not (front[: len(alone)] <= row).all(1).any():
            front[len(alone)] = row
            alone.append(at)
    return np.asarray(order[alone], dtype=np.int64)


def _above_stairs(points: Floats) -> list[int]:
    """Indices of the rows of two columns that no earlier row is at most equal to in both.

    The least of the second column by the first is a staircase down; a row that lies on or above it is beaten.
    """
    firsts: list[float] = []
    seconds: list[float] = []
    kept = []
    for at, (first, second) in enumerate(points.tolist()):
        place = bisect_right(firsts, first)
        if place and seconds[place - 1] <= second:
            continue
        kept.append(at)
        end = place
        while end < len(seconds) and seconds[end] >= second:
            end += 1
        if place and firsts[place - 1] == first:
            place -= 1
        firsts[place:end], seconds[place:end] = [first], [second]
    return kept


def thinned(chosen: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Thin the chosen rows to at most `most`, evenly along their order."""
    if len(chosen) <= most:
        return chosen
    return np.asarray(chosen[np.linspace(0, len(chosen) - 1, most).round().astype(int)], dtype=np.int64)
