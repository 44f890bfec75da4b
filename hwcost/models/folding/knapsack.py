"""One option per unit within a budget of several resources: a multiple-choice knapsack, by bounds and search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRICE_STEPS = 200
"""Rounds of price adjustment before the search."""

MOST_NODES = 20_000
"""Nodes of the search before it gives up without a proof."""


@dataclass(frozen=True)
class Choices:
    """The outcome of a selection.

    Attributes:
        picked: index of the option of each unit; None if none fits or none was found.
        proven: whether None means that none exists.
    """

    picked: tuple[int, ...] | None
    proven: bool = True


def select(options: Sequence[Array], budget: Array, scale: Array) -> Choices:
    """Pick one option per unit so that no resource exceeds its budget.

    Resources get prices. Where the cheapest options fit, they are a solution; where even they cost more than the whole
    budget is worth, there is none: a proof (weak duality). Between both, depth-first search with that bound.

    Args:
        options: per unit, (options, resources), at least 0.
        budget: (resources,); below 0 nothing fits.
        scale: (resources,), at least 0: what makes resources comparable; 0 counts as 1.

    Returns:
        Choices; among the solutions met, that with the least sum of shares of `scale`.
    """
    if (budget < 0).any() or any(not len(rows) for rows in options):
        return Choices(None)
    unit = np.where(scale > 0, scale, 1.0)
    costs = [rows / unit for rows in options]
    room = budget / unit
    return _priced(costs, room)


def _priced(costs: Sequence[Array], room: Array) -> Choices:
    best: tuple[float, tuple[int, ...]] | None = None
    prices = np.ones(len(room))
    for step in range(PRICE_STEPS):
        values = [rows @ prices for rows in costs]
        picked = [int(value.argmin()) for value in values]
        used = sum((rows[i] for rows, i in zip(costs, picked, strict=True)), np.zeros(len(room)))
        if (used <= room + 1e-12).all():
            picked = _improved(costs, room, picked)
            share = float(sum(rows[i].sum() for rows, i in zip(costs, picked, strict=True)))
            best = min(best, (share, tuple(picked))) if best else (share, tuple(picked))
            break
        if sum(float(value.min()) for value in values) > float(prices @ room) * (1 + 1e-9) + 1e-12:
            return Choices(None)
        over = (used - room) / np.maximum(room, 1e-9)
        prices = prices * np.exp(np.clip(over, -1, 1) * 2 / (1 + step) ** 0.5)
        prices = prices / prices.max()
    if best is not None:
        return Choices(best[1])
    return _searched(costs, room, prices)


def _improved(costs: Sequence[Array], room: Array, picked: list[int]) -> list[int]:
    """Swap single options for smaller ones while that fits."""
    used = sum((rows[i] for rows, i in zip(costs, picked, strict=True)), np.zeros(len(room)))
    shares = [rows.sum(1) for rows in costs]
    changed = True
    while changed:
        changed = False
        for index, rows in enumerate(costs):
            fits = (used - rows[picked[index]] + rows <= room + 1e-12).all(axis=1)
            other = int(np.where(fits, shares[index], np.inf).argmin())
            if shares[index][other] < shares[index][picked[index]] - 1e-15:
                used = used - rows[picked[index]] + rows[other]
                picked[index], changed = other, True
    return picked


def _searched(costs: Sequence[Array], room: Array, prices: Array) -> Choices:
    """Depth first over the units, the cheapest option first, cut where what is left cannot fit."""
    order = sorted(range(len(costs)), key=lambda i: -float(costs[i].max()))
    least = np.zeros((len(order) + 1, len(room)))
    floor = np.zeros(len(order) + 1)
    for depth in range(len(order) - 1, -1, -1):
        rows = costs[order[depth]]
        least[depth] = least[depth + 1] + rows.min(0)
        floor[depth] = floor[depth + 1] + float((rows @ prices).min())
    worth = float(prices @ room) * (1 + 1e-9) + 1e-12
    tried = [np.argsort(costs[index] @ prices) for index in order]
    nodes = 0
    stack: list[tuple[int, Array, tuple[int, ...]]] = [(0, np.zeros(len(room)), ())]
    while stack:
        depth, used, picked = stack.pop()
        if depth == len(order):
            found = [0] * len(order)
            for index, option in zip(order, picked, strict=True):
                found[index] = option
            return Choices(tuple(_improved(costs, room, found)))
        nodes += 1
        if nodes > MOST_NODES:
            return Choices(None, proven=False)
        for option in reversed(tried[depth]):
            after = used + costs[order[depth]][option]
            fits = (after + least[depth + 1] <= room + 1e-12).all()
            if fits and float(after @ prices) + floor[depth + 1] <= worth:
                stack.append((depth + 1, after, (*picked, int(option))))
    return Choices(None)
