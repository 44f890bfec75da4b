"""Trials as arrays: only those of the space, the finished ones apart from those that run."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hwcost.search.samplers.grid import Grid
from hwcost.search.samplers.history import History, least_at, read_history

SPACE = {"a": IntDistribution(2, 8), "b": IntDistribution(2, 8)}


def trial(a: int, b: int, *values: float, state: TrialState = TrialState.COMPLETE, high: int = 8) -> FrozenTrial:
    return create_trial(
        params={"a": a, "b": b},
        distributions={"a": IntDistribution(2, high), "b": SPACE["b"]},
        values=list(values) or None,
        state=state,
    )


TRIALS = [
    trial(2, 3, 90.0, 50.0),
    trial(4, 4, 95.0, 70.0),
    trial(5, 5, 94.0, 80.0),
    trial(6, 2, state=TrialState.FAIL),
    trial(7, 7, state=TrialState.RUNNING),
    trial(8, 8, float("inf"), 99.0),
    create_trial(params={"a": 3}, distributions={"a": SPACE["a"]}, values=[1.0, 2.0]),
]


@pytest.fixture
def history() -> History:
    return read_history(Grid(SPACE), TRIALS, learned=0, sign=-1.0, costs=[1])


def test_finished_running_and_failed_trials(history: History) -> None:
    assert history.levels.tolist() == [[0, 1], [2, 2], [3, 3]]
    assert history.losses.tolist() == [-90, -95, -94] and history.costs.tolist() == [[50], [70], [80]]
    assert history.running.tolist() == [[5, 5]]
    asked = np.array([[0, 1], [4, 0], [5, 5], [6, 6], [1, 1], [1, 0]])  # finished, failed, running, infinite; new
    assert history.untried(asked).tolist() == [False, False, False, False, True, True]


def test_front_and_loss_to_beat(history: History) -> None:
    assert history.front.tolist() == [0, 1]  # the third costs more than the second and loses more
    assert history.to_beat(np.array([[49.0], [50.0], [69.0], [70.0], [99.0]])).tolist() == [np.inf, -90, -90, -95, -95]
    assert history.latest(2).tolist() == [0, 1] and history.latest(9).tolist() == [0, 1, 2]


def test_of_no_trials_nothing_is_known() -> None:
    none = read_history(Grid(SPACE), [], learned=0, sign=1.0, costs=[1, 2])
    assert none.levels.shape == none.running.shape == (0, 2) and none.costs.shape == (0, 2)
    assert none.untried(np.array([[0, 0]])).all()


def test_the_least_loss_of_those_cheaper_in_every_cost() -> None:
    known, losses = np.array([[1.0, 5.0], [3.0, 3.0], [3.0, 2.0]]), np.array([4.0, 1.0, 2.0])
    found = least_at(np.array([[1.0, 5.0], [3.0, 3.0], [3.0, 2.5], [0.0, 9.0]]), known, losses)
    assert found.tolist() == [4, 1, 2, np.inf]
