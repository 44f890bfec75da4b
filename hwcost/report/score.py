"""The score of a study, `accuracy` in its records: its name, its unit, which way is better, how it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hwcost.errors import BadStudy
from hwcost.report.pareto import Floats

PUBLISHED = {
    "accuracy": "score",
    "test_accuracy": "test_score",
    "refit_accuracy": "refit_score",
    "cycles": "interval_cycles",
}
"""Keys of a study's own records -> those of front.json, trials.csv and frames: any score, and cycles of what."""

POINTS = (0.005, 0.01, 0.02)
SHARES = (0.01, 0.02, 0.05)
"""Losses against the float network that are named: of scores in percent, and as shares of any other score."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The reading of a score; the one of a study from before there was a choice is a ratio in percent.

    Attributes:
        name: as pages say it.
        direction: which way is better.
        unit: "%" shows a ratio in percent; empty for none.
        format: of the number; empty for two decimals in percent, else four significant digits.
        tolerances: losses against the float network that are named; empty for the default.
    """

    name: str = "accuracy"
    direction: Literal["maximize", "minimize"] = "maximize"
    unit: str = "%"
    format: str = ""
    tolerances: tuple[float, ...] = ()

    @classmethod
    def of(cls, recorded: object) -> Score:
        """The score in a record of a study: a table of these attributes, a bare name, or None.

        Raises:
            BadStudy: it is something else.
        """
        if recorded is None:
            return cls()
        if isinstance(recorded, str):
            return cls(name=recorded)
        try:
            given: Mapping[str, Any] = dict(recorded)  # type: ignore[call-overload] # whatever a file holds
            found = cls(**{**given, "tolerances": tuple(map(float, given.get("tolerances", ())))})
            format(0.5, found.format)
        except (TypeError, ValueError) as error:
            raise BadStudy(
                f"report: run['score'] is {recorded!r}; it must be a name, or a table of {_FIELDS}"
            ) from error
        if found.direction not in ("maximize", "minimize") or not all(
            map(_text, (found.name, found.unit, found.format))
        ):
            raise BadStudy(f"report: run['score'] is {recorded!r}; give texts, and maximize or minimize")
        return found

    @property
    def sign(self) -> float:
        """1 where larger is better, -1 where smaller is."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def binomial(self) -> bool:
        """Whether the score is a share of samples, whose noise follows; other scores in percent are none."""
        return self.name == "accuracy" and self.unit == "%"

    @property
    def factor(self) -> float:
        """Factor from the score to the number that is shown."""
        return 100.0 if self.unit == "%" else 1.0

    def heading(self, of: str | None = None) -> str:
        """The name of the score, or of a split, with the unit."""
        return f"{self.name if of is None else of}{f', {self.unit}' if self.unit else ''}"

    def number(self, value: object, digits: int = 2) -> str:
        """A score without its unit, or a dash.

        >>> Score().number(0.97219), Score(name="RMSE", unit="mm").number(2.34567), Score().number(None)
        ('97.22', '2.346', '–')
        """
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            return "–"
        plain = f",.{digits}f" if self.unit == "%" else ".4g"
        return format(self.factor * float(value) + 0.0, self.format or plain)

    def text(self, value: object, digits: int = 2) -> str:
        """A score with its unit."""
        return f"{self.number(value, digits)} {self.unit}".rstrip()

    def shown(self, values: Floats) -> Floats:
        """Scores as numbers of an axis."""
        return self.factor * values

    def losses(self, best: float) -> list[tuple[float, str]]:
        """Losses against the best that a report names: amount, and words such as "1 point", "0.5 mm" or "2 %"."""
        if self.unit == "%":
            return [(loss, f"{100 * loss:g} point{'' if loss == 0.01 else 's'}") for loss in self.tolerances or POINTS]
        if self.tolerances:
            return [(loss, f"{loss:g} {self.unit}".rstrip()) for loss in self.tolerances]
        return [(share * abs(best), f"{100 * share:g} %") for share in SHARES]


def published(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its scores under the keys of what is published."""
    return {PUBLISHED.get(name, name): value for name, value in record.items()}


_FIELDS = ", ".join(Score.__dataclass_fields__)


def _text(value: object) -> bool:
    return isinstance(value, str)
