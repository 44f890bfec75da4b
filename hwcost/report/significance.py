"""Significance of differences between methods over seeds: exact permutation tests, paired where splits are shared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import permutation_test

from hwcost.report.pareto import Floats

_PERMUTATIONS = 100_000


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference between two methods.

    Attributes:
        mean: of the first less that of the second.
        p: two-sided probability of a difference at least as large if the methods were alike; None with too few runs.
        least: the smallest p that so few runs can give.
        paired: whether runs of the same seed and data were compared with each other.
        runs: how many of each method took part.
    """

    mean: float
    p: float | None
    least: float | None
    paired: bool
    runs: tuple[int, int]


def difference(one: Mapping[Hashable, float], other: Mapping[Hashable, float]) -> Difference:
    """Compare two methods by a permutation test of their mean.

    Args:
        one, other: what a run shares with its counterpart, its seed and data -> its figure. Runs are paired where both
            methods ran at least two of the same; others are then left out.

    Source: Fisher, The Design of Experiments, 1935; exact up to 100,000 permutations, drawn beyond.
    """
    shared = [key for key in one if key in other]
    paired = len(shared) > 1
    first, second = (np.array([values[key] for key in (shared if paired else values)]) for values in (one, other))
    mean = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Difference(mean=mean, p=None, least=None, paired=False, runs=(len(first), len(second)))

    def statistic(a: Floats, b: Floats, axis: int = -1) -> Floats:
        gap: Floats = np.mean(a, axis=axis) - np.mean(b, axis=axis)
        return gap.round(12)  # sums in another order are the same sums

    found = permutation_test(
        (first, second), statistic, permutation_type="samples" if paired else "independent", vectorized=True,
        n_resamples=_PERMUTATIONS, random_state=0,
    )  # fmt: skip
    ways = len(found.null_distribution)
    return Difference(mean=mean, p=float(found.pvalue), least=2 / ways, paired=paired, runs=(len(first), len(second)))
