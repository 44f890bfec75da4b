"""Turns of the trials that are drawn at the same time, in threads, processes or on machines: one draws after the other.

Each so sees what all before it have drawn, long before its parameters are stored. Lamport's bakery algorithm, on
attributes of trials: it needs nothing of a storage but that one reads what another has written.

Source: Lamport, A New Solution of Dijkstra's Concurrent Programming Problem (1974).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

Space = Mapping[str, BaseDistribution]

TURN = "hwcost:turn"
"""Attribute of a trial: 0 while it takes a number, the number while it waits or draws, then what it drew; None where it
lost its turn."""

POLL_S = 0.02
"""Seconds between two looks at those before."""

LONGEST_DRAW_S = 60.0
"""Seconds in which nothing moves among those before; then the first counts as dead, and loses its turn."""


def in_turn(
    study: Study, trial: FrozenTrial, space: Space, draw: Callable[[Sequence[FrozenTrial]], dict[str, object]]
) -> dict[str, Any]:
    """Parameters that a trial draws while no other trial of its study draws; recorded at once.

    Args:
        study: of the trial, in any storage.
        trial: running.
        space: of what is drawn.
        draw: all other trials -> parameters of this one, one for each entry of the space.
    """

    def mark(turn: int | dict[str, float] | None) -> None:
        study._storage.set_trial_system_attr(trial._trial_id, TURN, turn)

    mark(0)
    number = 1 + max((turn for turn, *_ in _drawing(study, trial)), default=0)
    mark(number)
    drawn = None
    try:
        _wait(study, trial, number)
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        params = draw(others)
        drawn = {name: space[name].to_internal_repr(value) for name, value in params.items()}
        return params
    finally:
        mark(drawn)


def params_of(trial: FrozenTrial, space: Space) -> dict[str, Any] | None:
    """Parameters of a trial: stored, or drawn or given beforehand where it has not ended; None where one lacks.

    Args:
        trial: in any state.
        space: all that a trial needs to count.
    """
    if all(trial.distributions.get(name) == entry for name, entry in space.items()):
        return trial.params
    if trial.state.is_finished():
        return None
    turn = trial.system_attrs.get(TURN)
    drawn = turn if isinstance(turn, dict) else {}
    given = trial.system_attrs.get("fixed_params", {})  # Optuna's name for what was enqueued
    try:
        internal = {
            name: entry.to_internal_repr(given[name]) if name in given else drawn[name] for name, entry in space.items()
        }
        inside = all(entry._contains(internal[name]) for name, entry in space.items())
    except (KeyError, ValueError):
        return None
    return {name: entry.to_external_repr(internal[name]) for name, entry in space.items()} if inside else None


def _drawing(study: Study, trial: FrozenTrial) -> list[tuple[int, int, int]]:
    """Turn, number and identifier of each other trial that waits or draws, in the order of their turns."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return sorted(
        (turn, other.number, other._trial_id)
        for other in running
        if isinstance(turn := other.system_attrs.get(TURN), int) and other.number != trial.number
    )


def _wait(study: Study, trial: FrozenTrial, number: int) -> None:
    before, since = None, time.monotonic()
    while ahead := [turn for turn in _drawing(study, trial) if turn[:2] < (number, trial.number)]:
        if ahead != before:
            before, since = ahead, time.monotonic()
        elif time.monotonic() - since > LONGEST_DRAW_S:
            with suppress(UpdateFinishedTrialError):
                study._storage.set_trial_system_attr(ahead[0][2], TURN, None)
        time.sleep(POLL_S)
