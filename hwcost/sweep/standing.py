"""Standing of a study: its non-dominated trials so far, by validation figures."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwcost.report.pareto import Floats, non_dominated
from hwcost.search import Study
from hwcost.sweep.experiment import Experiment

Row = dict[str, Any]
"""A trial in the table of its study: column -> value."""


@dataclass(frozen=True)
class Standing:
    """Trials of a study and the front among them.

    Attributes:
        finished: number of finished trials.
        front: rows of the non-dominated ones.
        ended: rows of all trials that ended, failed ones too, by number; of those since an earlier standing, where it
            was made from one.
        known: numbers of all that ended.
    """

    finished: int
    front: list[Row]
    ended: list[Row]
    known: frozenset[int] = frozenset()


def standing(study: Study, experiment: Experiment, before: Standing | None = None) -> Standing:
    """Choose the front of a study by the objectives on validation data, among the trials within the worst score.

    Args:
        study, experiment: what is looked at.
        before: an earlier standing of the same study: only the trials since then are read, since what was beaten stays
            beaten.
    """
    before = Standing(0, [], []) if before is None else before
    frame = study.frame(known=before.known)
    ended = [named(row) for row in frame.to_dict("records") if row["state"] != "RUNNING"]
    complete = [row for row in ended if row["state"] == "COMPLETE"]
    finished, known = before.finished + len(complete), before.known | {row["number"] for row in ended}
    within = [row for row in complete if all(one.beyond(row[one.name]) <= 0 for one in experiment.objectives)]
    rows = sorted([*before.front, *within], key=lambda row: row["number"])
    if not within:
        return Standing(finished, rows, ended, known)
    keep = non_dominated(points(rows, experiment), [objective.direction for objective in experiment.objectives])
    return Standing(finished, [row for row, kept in zip(rows, keep, strict=True) if kept], ended, known)


def points(rows: list[Row], experiment: Experiment) -> Floats:
    """Objectives of trials, (trials, objectives)."""
    return np.array([[row[objective.name] for objective in experiment.objectives] for row in rows], dtype=float)


def named(row: Mapping[Hashable, object]) -> Row:
    """A row of a table with its column names as text."""
    return {str(name): value for name, value in row.items()}
