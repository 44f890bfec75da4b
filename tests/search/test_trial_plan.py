"""Plans and records of trials: read back whole, garbled ones named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from hwcost.search.trial_plan import Plan, check_trial, checkpoint_of, interrupted, plan_of, record_of


def trial(state: TrialState = TrialState.FAIL, **attributes: Any) -> FrozenTrial:
    made = create_trial(state=state, values=[1.0] if state == TrialState.COMPLETE else None, user_attrs=attributes)
    made.number = 3
    return made


PLAN: dict[str, Any] = {"place": 2, "died": 1, "fixed": {"bits": 8}}


def test_a_plan_is_read_back() -> None:
    assert plan_of(trial(**Plan(2, 1, {"bits": 8}, 4)._asdict())) == Plan(2, 1, {"bits": 8}, 4)
    assert plan_of(trial(**PLAN, other=7)) == Plan(2, 1, {"bits": 8}, 0)  # of a version without polish
    check_trial(trial(**PLAN))


def test_a_record_is_empty_until_the_trial_is_settled() -> None:
    assert record_of(trial()) == {}
    record = {"seconds": 2.5, "attributes": {"checkpoint": "9f"}}
    settled = trial(**PLAN, record=json.dumps(record))
    assert record_of(settled) == record and checkpoint_of(settled) == "9f"
    assert checkpoint_of(trial()) is checkpoint_of(trial(record='{"attributes": {"checkpoint": 9}}')) is None
    check_trial(settled)


def test_a_failure_without_a_reason_was_interrupted() -> None:
    assert interrupted(trial()) and interrupted(trial(record='{"seconds": 1}'))
    assert not interrupted(trial(record='{"reason": "not finite"}'))
    assert not interrupted(trial(TrialState.COMPLETE)) and not interrupted(trial(TrialState.RUNNING))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        PLAN | {"place": -1},
        PLAN | {"died": 1.5},
        PLAN | {"died": True},
        PLAN | {"fixed": []},
        PLAN | {"record": "{"},
        PLAN | {"record": "[]"},
        PLAN | {"record": '{"reason": 3}'},
        PLAN | {"record": '{"attributes": []}'},
        PLAN | {"record": '{"seconds": "2"}'},
        PLAN | {"record": '{"seconds": true}'},
    ],
)
def test_what_is_garbled_is_named_by_the_trial(attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^trial 3: "):
        check_trial(trial(**attributes))


@pytest.mark.parametrize("number", ["abc", "7", None, -1, 1.5, b"\xff", True])
def test_a_number_that_is_none_is_garbled(number: Any) -> None:
    """SQLite keeps any value in any column."""
    made = trial(**PLAN)
    made.number = number
    with pytest.raises(ValueError, match="a trial has the number"):
        check_trial(made)
