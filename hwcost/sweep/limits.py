"""Bounds of a trial as the user gives them: of resources, of speed, of the score."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from hwcost.errors import BadOption
from hwcost.models import RESOURCES

SPEEDS = ("interval_cycles", "latency_cycles", "latency_us")
"""Figures whose bound the design of a trial is chosen by, before its widths are driven to other budgets."""

SCORE = "score"
"""Name of the bound that is the worst score of use, in the direction of the task's score."""


@dataclass(frozen=True)
class Bounds:
    """Bounds by what keeps them.

    Attributes:
        resources: name -> the most that a trial may use; the search keeps it.
        speeds: name of `SPEEDS` -> the most; the hardware is chosen to keep it.
        worst_score: beyond it a trial is on no front; None without a bound.
    """

    resources: Mapping[str, float]
    speeds: Mapping[str, float]
    worst_score: float | None

    @classmethod
    def of(cls, limits: Mapping[str, float]) -> "Bounds":
        """Sort limits by their names.

        Raises:
            BadOption: an unknown name, or an amount that makes no sense.
        """
        for name, limit in limits.items():
            if name not in (*RESOURCES, *SPEEDS, SCORE):
                remedy = "; --fps is the least" if name == "fps" else ""
                raise BadOption(
                    f"limit {name}={limit:g}: give any of {', '.join((*RESOURCES, *SPEEDS))} and {SCORE}{remedy}"
                )
            if not isfinite(limit) or (name in RESOURCES and limit < 0) or (name in SPEEDS and limit <= 0):
                least = "" if name == SCORE else " of at least 0" if name in RESOURCES else " above 0"
                raise BadOption(f"limit {name}={limit:g}: give a finite amount{least}")
        return cls(
            resources={name: limit for name, limit in limits.items() if name in RESOURCES},
            speeds={name: limit for name, limit in limits.items() if name in SPEEDS},
            worst_score=limits.get(SCORE),
        )
