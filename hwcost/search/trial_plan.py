"""The plan of a trial and its record, as its journal lines hold them."""

from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from hwcost.files import parse_json
from hwcost.search.protocol import Params

RETRIES = 2
"""Repetitions of a trial whose process died, or was stopped, before it is given up."""

BROKEN = "broken"
"""User attribute of a trial: what `broken` gives."""

Record = dict[str, Any]
"""Record of a trial as it was written: seconds, reason of a failure, attributes of the outcome."""


class Plan(NamedTuple):
    """The plan that a trial is created with.

    Attributes:
        place: of the trial in the study, not counting retries.
        died: number of processes that died on it.
        fixed: parameters that are not drawn.
        polish: as in its suggestion.
    """

    place: int
    died: int
    fixed: Params
    polish: int = 0


def plan_of(trial: FrozenTrial) -> Plan:
    """The plan in a trial's journal lines; any error of Python when they hold none."""
    return Plan(**{name: trial.user_attrs[name] for name in Plan._fields if name in trial.user_attrs})


def record_of(trial: FrozenTrial) -> Record:
    """Seconds, reason of a failure, attributes of the outcome; empty until the trial is settled."""
    record: Record = parse_json(trial.user_attrs.get("record", "{}"))
    return record


def check_trial(trial: FrozenTrial) -> None:
    """Hold what a file or a database says of a trial against its form.

    Raises:
        ValueError: it is garbled; the message says where.
    """
    if type(trial.number) is not int or trial.number < 0:
        raise ValueError(f"a trial has the number {trial.number!r:.80}")
    try:
        plan, record = plan_of(trial), record_of(trial)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"trial {trial.number}: {error}") from error
    counts = (plan.place, plan.died, plan.polish)
    if not all(type(count) is int and count >= 0 for count in counts) or not isinstance(plan.fixed, dict):
        raise ValueError(f"trial {trial.number}: its plan is garbled ({plan})")
    sound = isinstance(record, dict) and isinstance(record.get("reason", ""), str)
    if not sound or not isinstance(record.get("attributes", {}), dict):
        raise ValueError(f"trial {trial.number}: its record is garbled")
    seconds = record.get("seconds", 0.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"trial {trial.number}: its record is garbled ({seconds!r} seconds)")


def interrupted(trial: FrozenTrial) -> bool:
    """Failed for no reason of its own; a record without a reason says that the process died just before `tell`."""
    return trial.state == TrialState.FAIL and "reason" not in record_of(trial)


def checkpoint_of(trial: FrozenTrial) -> str | None:
    """Hash of the weights of a trial, where its record has one."""
    found = record_of(trial).get("attributes", {}).get("checkpoint")
    return found if isinstance(found, str) else None


def broken(trial: FrozenTrial) -> list[float]:
    """Excess of each objective of a trial over the worst that counts, as noted when it finished."""
    return list(trial.user_attrs.get(BROKEN, []))
