"""Parameters that nobody reads, in studies whose recipe brings its own training, and what counts as reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from sweeps import experiment, run
from tiny_recipe import recipe
from torch import nn

from hwcost.errors import BadRecipe
from hwcost.sweep.noted import LEAST_TRIALS, Noted, check_trainings
from hwcost.sweep.study_files import read_trials
from hwcost.train.run import Run

SPACE = {"base": IntDistribution(2, 5), "lr": FloatDistribution(0.01, 0.1), "mixup": FloatDistribution(0.0, 0.5)}


def _forgets_mixup(net: nn.Module, run: Run) -> None:
    assert run.params.get("lr", 1.0) > 0


def _asks_in_one_trial(net: nn.Module, run: Run) -> None:
    if run.hardware is not None and run.params["base"] < 5:
        assert run.params["mixup"] + run.params["lr"] > 0


@pytest.mark.parametrize(
    "read",
    [dict, list, lambda p: p | {}, lambda p: {**p}, lambda p: dict(p.items()), lambda p: sum(p.values())],
)  # fmt: skip
def test_whoever_asks_for_all_reads_all(read: Callable[[Noted], Any]) -> None:
    noted = Noted({"a": 1, "b": 2})
    assert noted.unread == ["a", "b"] and noted["a"] == noted.get("a") == 1 and noted.unread == ["b"]
    read(noted)
    assert noted.unread == []


def test_what_no_trial_read_ends_the_search_and_the_next_call(tmp_path: Path) -> None:
    one = experiment(replace(recipe, train=_forgets_mixup, space=SPACE, anchors=(), budget=lambda params: {}), tmp_path)
    for _ in range(2):
        with pytest.raises(BadRecipe, match=rf"tiny: space has mixup, which nothing read in {LEAST_TRIALS} finished"):
            run(one, 9)
    trials = read_trials(tmp_path) if (tmp_path / "trials.json").exists() else None
    assert trials is None or len(trials) == LEAST_TRIALS


def test_what_one_trial_reads_may_be_searched(tmp_path: Path) -> None:
    anchors = ({"base": 5, "lr": 0.1, "mixup": 0.1},) * 3 + ({"base": 2, "lr": 0.1, "mixup": 0.2},)
    asked = replace(recipe, train=_asks_in_one_trial, space=SPACE, anchors=anchors[2:], budget=lambda params: {})
    run(experiment(asked, tmp_path), LEAST_TRIALS + 1)
    left = list(read_trials(tmp_path)["unread"])
    assert ["lr", "mixup"] in left and any(one != one or one is None for one in left)


def test_trials_of_older_studies_tell_nothing() -> None:
    check_trainings("r", [{}] * 9)
    check_trainings("r", [{"unread": ["a"]}] * 9 + [{"unread": float("nan")}])
    check_trainings("r", [{"unread": ["a"]}] * (LEAST_TRIALS - 1))
    with pytest.raises(BadRecipe, match="space has a, which"):
        check_trainings("r", [{"unread": ["a", "b"]}, {"unread": ["a"]}, {"unread": ["a", "c"]}])
