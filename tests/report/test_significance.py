"""Permutation tests by brute force."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from hwcost.report.significance import difference


def test_paired_runs_by_all_signs() -> None:
    rng = np.random.default_rng(0)
    one, other = ({seed: float(v) for seed, v in enumerate(rng.normal(shift, 1, 6))} for shift in (0.8, 0.0))
    found = difference(one, other | {99: 5.0})
    gaps = np.array([one[seed] - other[seed] for seed in one])
    sums = np.array([np.dot(signs, gaps) for signs in product((-1, 1), repeat=6)])
    assert found.paired and found.runs == (6, 6) and found.mean == pytest.approx(gaps.mean())
    assert found.p == pytest.approx(np.mean(abs(sums) >= abs(gaps.sum()) - 1e-9)) and found.least == 2 / 64


def test_other_runs_by_all_divisions() -> None:
    rng = np.random.default_rng(1)
    one = {f"a{n}": float(v) for n, v in enumerate(rng.normal(1, 1, 5))}
    other = {f"b{n}": float(v) for n, v in enumerate(rng.normal(0, 1, 4))}
    found = difference(one, other)
    values = np.array([*one.values(), *other.values()])
    gaps = []
    for chosen in combinations(range(9), 5):
        mask = np.isin(np.arange(9), chosen)
        gaps.append(values[mask].mean() - values[~mask].mean())
    above, below = (np.mean(np.array(gaps) * sign >= found.mean * sign - 1e-9) for sign in (1, -1))
    assert not found.paired and found.p == pytest.approx(min(1.0, 2 * min(above, below)))


def test_one_run_proves_nothing() -> None:
    found = difference({0: 1.0}, {0: 0.5})
    assert found.p is None and found.mean == 0.5 and not found.paired


def test_alike_is_no_difference() -> None:
    found = difference({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0})
    assert found.p == 1.0 and found.mean == 0.0
