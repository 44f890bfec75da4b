"""Designs that others have published, to stand next to those of a study."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hwcost.errors import BadStudy
from hwcost.report.score import PUBLISHED, Score


@dataclass(frozen=True)
class Published:
    """A design that somebody else has published.

    Attributes:
        name: for the label.
        accuracy: the score on test data.
        cost: of the resource on the axis.
    """

    name: str
    accuracy: float
    cost: float


def read_published(path: Path, cost: str, score: Score) -> list[Published]:
    """Rows of a CSV of the user.

    Raises:
        BadStudy: no such file, columns missing, or numbers that are none.
    """
    try:
        table = pd.read_csv(path)
        table = table.rename(columns=PUBLISHED)
        cost = PUBLISHED.get(cost, cost)
        missing = [name for name in ("name", "score", cost) if name not in table.columns]
        if missing:
            raise BadStudy(f"--published {path}: no column {', '.join(missing)}; it needs name, score and {cost}")
        accuracy = pd.to_numeric(table["score"]).to_numpy(dtype=float)
        costs = pd.to_numeric(table[cost]).to_numpy(dtype=float)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise BadStudy(f"--published {path}: cannot be read ({error}); give a CSV of name, score, {cost}") from error
    ratio = score.unit == "%"
    accuracy = accuracy / 100 if ratio and (accuracy > 1).any() else accuracy
    finite = np.isfinite(accuracy).all() and np.isfinite(costs).all()
    if not (finite and not (ratio and (accuracy > 1).any()) and (costs > 0).all()):
        kind = "ratios or percent" if ratio else "finite numbers"
        raise BadStudy(f"--published {path}: {score.name} must be {kind}, and each {cost} above 0")
    return [Published(str(n), float(a), float(c)) for n, a, c in zip(table["name"], accuracy, costs, strict=True)]
