"""Noise of scores that are shares of samples: intervals, and front points that chance alone would explain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwcost.report.pareto import Floats
from hwcost.report.study import Study

Z = 1.96
"""Standard deviations of a two-sided 95 % interval."""

Z_ONE_SIDED = 1.645
"""Standard deviations of a one-sided test at 5 %."""


@dataclass(frozen=True, kw_only=True)
class FrontNoise:
    """The noise of the front of a study, by number of a trial.

    Attributes:
        intervals: 95 % interval of the test score; none where it was not measured.
        chance: trials that are not significantly better than a cheaper front point.
        split: samples that tell: "test" where all of the front was measured on them, else "validation".
    """

    intervals: dict[int, tuple[float, float]]
    chance: frozenset[int]
    split: str


def intervals(shares: Floats, samples: int) -> list[tuple[float, float]]:
    """95 % interval of shares of samples.

    Args:
        shares: (n,), from 0 to 1.
        samples: that each is counted on.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    middle = (shares + Z * Z / samples / 2) / (1 + Z * Z / samples)
    half = Z / (1 + Z * Z / samples) * np.sqrt(shares * (1 - shares) / samples + (Z / samples / 2) ** 2)
    return [(float(low), float(high)) for low, high in zip(middle - half, middle + half, strict=True)]


def by_chance(shares: Floats, samples: int, costs: Floats) -> list[bool]:
    """Points whose share is not significantly above that of a cheaper one: a two-proportion test, one-sided at 5 %.

    The shares are taken to be independent, which overstates the noise of networks that err on the same samples: a
    marked point may differ all the same. Each pair is tested at 5 %, so that of twenty alike one is not marked.

    Args:
        shares: (n,), from 0 to 1, larger is better.
        samples: that each is counted on.
        costs: (n, costs), smaller is better; cheaper is one that is no dearer in any of them, and less in one.

    Source: K. Pearson's chi-squared test of two proportions, in its one-sided form.
    """
    cheaper = (costs[:, None] <= costs).all(-1) & (costs[:, None] < costs).any(-1)  # of the second index
    together = (shares[:, None] + shares) / 2
    noise = np.sqrt(np.maximum(2 * together * (1 - together) / samples, 1e-300))
    unclear = (shares - shares[:, None]) / noise < Z_ONE_SIDED
    marked: list[bool] = np.any(cheaper & unclear, axis=0).tolist()
    return marked


def front_noise(study: Study) -> FrontNoise | None:
    """The noise of the front of a study; None for a score that is no share of samples, or of unknown samples."""
    if not study.binomial or study.front.empty:
        return None
    data = study.run["data"]
    counts = {"validation": int(data.get("validation") or 0), "test": int(data.get("test") or 0)}
    tests, numbers = study.column("test_accuracy", study.front), [int(number) for number in study.front["number"]]
    known: dict[int, tuple[float, float]] = {}
    if counts["test"]:
        found = zip(numbers, tests, intervals(tests, counts["test"]), strict=True)
        known = {number: ends for number, test, ends in found if math.isfinite(test)}
    split = "test" if len(known) == len(numbers) else "validation"
    if not counts[split]:
        return None
    shares = tests if split == "test" else study.column("accuracy", study.front)
    costs = [
        study.column(name, study.front) * (1 if direction == "minimize" else -1)
        for name, direction in study.objectives
        if name != "accuracy"
    ]
    marked = by_chance(shares, counts[split], np.stack(costs, axis=1)) if costs else [False] * len(numbers)
    return FrontNoise(intervals=known, chance=frozenset(np.array(numbers)[marked].tolist()), split=split)
