"""Whose weights a trial starts from, where trainings go on from one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hwcost.errors import BadOption

FAR = 1.5
"""Bits per width, on average, from which on a few epochs are too few. On digits, networks of two bits reached .955 from
float and .964 from four bits in 8 epochs, .973 in the 20 of a whole training and .979 in 40; those of eight and four
bits .988 and .984 in 8 (10 splits, benchmarks/warm_starts.py)."""


def check_ordered(space: Mapping[str, BaseDistribution]) -> None:
    """Warm starts need distances, so every parameter must be a whole number.

    Raises:
        BadOption: one is not.
    """
    for name, choices in space.items():
        if not isinstance(choices, IntDistribution):
            raise BadOption(f"warm starts: parameter {name} is no whole number; give --bits, or leave --warm out")


def nearest(
    params: Mapping[str, Any], trials: Sequence[FrozenTrial], space: Mapping[str, BaseDistribution]
) -> tuple[int | None, bool]:
    """The finished trial whose widths are nearest, in bits all together; of equals the latest.

    Args:
        params: of the trial to come.
        trials: of the study, in any state.
        space: of whole numbers; the float network counts as one with the largest of each.

    Returns:
        Number of a trial, None where the float network is nearer than any; and whether it is `FAR`.
    """

    def distance(other: Mapping[str, Any]) -> int:
        return sum(abs(int(params[name]) - int(other[name])) for name in space)

    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.params.keys() == space.keys()]
    widest = {name: choices.high for name, choices in space.items() if isinstance(choices, IntDistribution)}
    found = min(finished, key=lambda trial: (distance(trial.params), -trial.number), default=None)
    if found is None or distance(widest) < distance(found.params):
        return None, distance(widest) >= FAR * len(space)
    return found.number, distance(found.params) >= FAR * len(space)
