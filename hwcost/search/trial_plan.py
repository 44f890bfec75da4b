"""What a trial was meant to be and what became of it, as its journal lines tell."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

RETRIES = 2
"""Of a trial whose process died, or was stopped, before it is given up."""


class Plan(NamedTuple):
    """What a trial is born with. `place` counts without retries; `died` counts the processes that died on it; `polish`
    is that of its suggestion."""

    place: int
    died: int
    fixed: dict[str, Any]
    polish: int = 0


def plan_of(trial: FrozenTrial) -> Plan:
    """The plan in a trial's journal lines; any error of Python when they hold none."""
    return Plan(**{name: trial.user_attrs[name] for name in Plan._fields if name in trial.user_attrs})


def record_of(trial: FrozenTrial) -> dict[str, Any]:
    """Seconds, reason of a failure, attributes of the outcome; empty until the trial was told."""
    record: dict[str, Any] = json.loads(trial.user_attrs.get("record", "{}"))
    return record


def interrupted(trial: FrozenTrial) -> bool:
    """Failed for no reason of its own; a record without a reason says that the process died just before `tell`."""
    return trial.state == TrialState.FAIL and "reason" not in record_of(trial)
