"""The choice of one option per unit, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.models.folding.knapsack import select


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_selection_by_enumeration(seed: int) -> None:
    source = np.random.default_rng(seed)
    shape = source.integers(1, 5, size=int(source.integers(1, 5)))
    options = [source.integers(0, 10, size=(int(n), 3)).astype(float) for n in shape]
    budget = source.integers(0, 12, size=3).astype(float)
    exists = any(
        (sum(rows[i] for rows, i in zip(options, picked, strict=True)) <= budget).all()
        for picked in product(*(range(len(rows)) for rows in options))
    )
    found = select(options, budget, np.full(3, 10.0))
    assert found.proven and (found.picked is not None) == exists
    if found.picked is not None:
        assert (sum(rows[i] for rows, i in zip(options, found.picked, strict=True)) <= budget).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_least_sum_of_shares_is_chosen(seed: int) -> None:
    source = np.random.default_rng(seed)
    options = [source.integers(0, 10, size=(4, 2)).astype(float) for _ in range(3)]
    budget, scale = np.array([12.0, 12.0]), np.array([10.0, 3.0])

    def total(picked: tuple[int, ...]) -> np.ndarray:
        return np.asarray(sum(rows[i] for rows, i in zip(options, picked, strict=True)))

    fitting = [picked for picked in product(range(4), repeat=3) if (total(picked) <= budget).all()]
    found = select(options, budget, scale)
    assert (found.picked is None) == (not fitting)
    if found.picked is not None:
        least = min(float((total(picked) / scale).sum()) for picked in fitting)
        assert float((total(found.picked) / scale).sum()) == pytest.approx(least, rel=1.1e-4)


def test_nothing_fits_below_zero_or_without_options() -> None:
    one = np.ones((1, 2))
    for options, budget in (([one], np.array([9.0, -1.0])), ([one, one[:0]], np.array([9.0, 9.0]))):
        found = select(options, budget, np.ones(2))
        assert found.picked is None and found.proven
    assert select([], np.zeros(2), np.zeros(2)).picked == ()
