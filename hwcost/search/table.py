"""A study as a table: a row for each trial that has begun."""

import math
from collections.abc import Collection, Sequence

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from hwcost.search.protocol import COLUMNS
from hwcost.search.samplers.choose import seeds_of
from hwcost.search.study_spec import StudySpec
from hwcost.search.trial_plan import RETRIES, Record, interrupted, plan_of, record_of


def table(
    trials: Sequence[FrozenTrial], spec: StudySpec, *, lost: Collection[int], known: Collection[int] = ()
) -> pd.DataFrame:
    """Collect trials in a table.

    Args:
        trials: of a study, in any state.
        spec: of the study.
        lost: numbers of the trials that are given up because their process died too often.
        known: numbers of trials that are left out.

    Returns:
        One row per trial: number, state ("COMPLETE", "FAIL", "PRUNED", "RUNNING"), seed, seconds, reason (why it
        ended early), params (a dict), one column per objective, one per attribute (nested lists and dicts stay whole).
    """
    objectives = [objective.name for objective in spec.objectives]
    latest = {plan_of(trial).place: trial.number for trial in trials}
    rows = []
    for trial in trials:
        if trial.state == TrialState.WAITING or trial.number in known:
            continue
        plan, record = plan_of(trial), record_of(trial)
        values = trial.values or [math.nan] * len(objectives)
        row: dict[str, object] = {
            **record.get("attributes", {}),
            "number": trial.number,
            "state": trial.state.name,
            "seed": seeds_of(spec.seed, plan.place)[0],
            "seconds": record.get("seconds", math.nan),
            "reason": _reason(trial, record, latest[plan.place], given_up=trial.number in lost),
            "params": {name: trial.params[name] for name in sorted(trial.params)},
            **dict(zip(objectives, values, strict=True)),
        }
        rows.append(row)
    names = [*COLUMNS, *objectives]
    names += dict.fromkeys(name for row in rows for name in row if name not in names)
    return pd.DataFrame(rows, columns=names)


def _reason(trial: FrozenTrial, record: Record, successor: int, *, given_up: bool) -> str | None:
    """The reason of a failure; `successor` is the latest trial of its place."""
    if not interrupted(trial):
        reason: str | None = record.get("reason")
        return reason
    if successor > trial.number:
        return f"interrupted; retried as trial {successor}"
    return f"interrupted: its process died {RETRIES + 1} times; given up" if given_up else "interrupted"
