"""Proposals that are drawn at the same time: distinct in threads, and in processes that share a database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from small_search import COMBINATIONS, SPACE, evaluated, price, spec, tried_by_processes

from hwcost.search import GreyBoxSampler, Outcome, Suggestion, open_study
from hwcost.search.samplers import turns
from hwcost.search.samplers.exhaustive import EverySampler
from hwcost.search.samplers.grid import Candidates
from hwcost.search.samplers.turns import TURN, in_turn, params_of


def greybox() -> GreyBoxSampler:
    return GreyBoxSampler(SPACE, price, {1: "LUT"}, seed=0)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    values = evaluated(Suggestion(0, {name: trial.suggest_int(name, 2, 8) for name in SPACE}, 0)).values
    return values[0], values[1]


@pytest.mark.parametrize(
    ("make", "threads", "trials"), [(greybox, 2, 16), (lambda: EverySampler(SPACE), 4, 49)], ids=["greybox", "grid"]
)
def test_threads_propose_no_combination_twice(make: Callable[[], BaseSampler], threads: int, trials: int) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=make())
    study.optimize(objective, n_trials=trials, n_jobs=threads)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == trials


def test_all_that_fits_is_proposed_before_any_again() -> None:
    """15 of 4,096 combinations fit, and 3,000 random ones do not hold them all."""
    space = {name: IntDistribution(1, 16) for name in "xyz"}

    def listed(candidates: Candidates) -> dict[str, NDArray[Any]]:
        x, y, z = (candidates[name] for name in space)
        return {"LUT": np.where((x * 7 % 16 == y) & (y * 5 % 16 == z), 1.0, 9.0), "n": x + y + z}

    sampler = GreyBoxSampler(space, listed, {1: "n"}, limits={"LUT": 1}, seed=0)
    x, y, z = np.indices((16, 16, 16)) + 1
    fits = int((listed({"x": x, "y": y, "z": z})["LUT"] == 1).sum())
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for _ in range(fits):
        trial = study.ask(space)
        study.tell(trial, [1 / trial.params["x"], sum(trial.params.values())])
    assert len({tuple(trial.params.values()) for trial in study.trials}) == fits == 15


def test_what_was_enqueued_is_taken_before_it_runs() -> None:
    study = optuna.create_study()
    study.ask()
    grid = EverySampler(SPACE)
    assert grid.sample_relative(study, study.trials[0], dict(SPACE)) == {"w": 2, "a": 2}
    study.enqueue_trial({"w": 2, "a": 2})
    waiting = study.trials[1]
    assert grid.sample_relative(study, study.trials[0], dict(SPACE)) != {"w": 2, "a": 2}
    assert params_of(waiting, SPACE) == {"w": 2, "a": 2}
    assert params_of(waiting, {"w": IntDistribution(3, 8)}) is None  # outside
    assert params_of(waiting, {"k": CategoricalDistribution(["x"])}) is None  # not given


def test_a_draw_is_seen_before_its_parameters_are_stored_and_no_longer_than_it_runs() -> None:
    space = {"w": IntDistribution(2, 8), "k": CategoricalDistribution(["x", None])}
    study = optuna.create_study()
    trial = study.ask()
    drawn = in_turn(study, study.trials[0], space, lambda others: {"w": 5, "k": None})
    assert not trial.params and params_of(study.trials[0], space) == drawn == {"w": 5, "k": None}
    study.tell(trial, state=TrialState.FAIL)
    assert params_of(study.trials[0], space) is None  # it stored nothing: a retry draws the same again


def test_a_turn_ends_with_an_error_and_a_dead_process_loses_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.ask(), study.ask()
    with pytest.raises(ZeroDivisionError):
        in_turn(study, study.trials[0], SPACE, lambda others: {"w": 1 // 0})
    assert in_turn(study, study.trials[1], SPACE, lambda others: {}) == {}  # waits for nobody
    study.ask(), study.ask()
    study._storage.set_trial_system_attr(study.trials[2]._trial_id, TURN, 0)  # died in the middle of it
    monkeypatch.setattr(turns, "LONGEST_DRAW_S", 0.05)
    assert in_turn(study, study.trials[3], SPACE, lambda others: {}) == {}
    assert study.trials[2].system_attrs[TURN] is None


class Eight:
    """A crew of eight that ends the first it began when all are busy."""

    size = 8

    def __init__(self) -> None:
        self.running: list[Suggestion] = []

    def start(self, suggestion: Suggestion) -> None:
        self.running.append(suggestion)

    def finished(self) -> tuple[int, Outcome]:
        suggestion = self.running.pop(0)
        return suggestion.number, evaluated(suggestion)

    def stop(self) -> None:
        self.running.clear()


def test_jobs_of_one_sweep_propose_no_combination_twice(tmp_path: Path) -> None:
    with open_study(tmp_path / "study", spec()) as study:
        study.run(evaluated, trials=24, crew=Eight())
        assert len({tuple(params.items()) for params in study.frame()["params"]}) == 24


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sqlite:///{}/studies.db", "{}/studies.journal"])
def test_processes_that_share_a_study_propose_no_combination_twice(place: str, tmp_path: Path) -> None:
    """On servers: tests/search/storage/test_servers.py."""
    tried = tried_by_processes(place.format(tmp_path), tmp_path)
    assert len(set(tried)) == len(tried) == COMBINATIONS
