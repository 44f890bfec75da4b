"""Spaces: tables of distributions, and functions that ask for one parameter after the other."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadOption
from hwcost.search.samplers.space import Asked, Missing, asked_by, draft, fill, is_all, lowest

TABLE = {
    "lr": FloatDistribution(1e-3, 1e-1, log=True), "bits": IntDistribution(2, 8, step=2),
    "kind": CategoricalDistribution(["int", "ternary"]),
}  # fmt: skip


def deep(trial: Asked) -> None:
    """A second width where there is a second layer."""
    if trial.suggest_int("depth", 1, 2) == 2:
        trial.suggest_int("second", 8, 32, step=8)
    trial.suggest_float("lr", 1e-3, 1e-1, log=True)


def test_a_draft_asks_for_what_a_trial_of_optuna_is_asked_for() -> None:
    for space in (TABLE, deep):
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
        fill(space, trial)
        found = draft(space, lambda name, _, known=trial.params: known[name])  # type: ignore[misc]
        assert (found.params, found.distributions) == (trial.params, trial.distributions)
    assert draft(TABLE, lowest).params == {"bits": 2, "kind": "int", "lr": 1e-3}


def test_which_parameters_a_space_asks_for() -> None:
    assert asked_by(deep, {"depth": 1, "lr": 0.01}).keys() == {"depth", "lr"}
    assert asked_by(deep, {"depth": 2, "lr": 0.01, "second": 8})["second"] == IntDistribution(8, 32, step=8)
    with pytest.raises(Missing, match="second is missing; the space asks for it"):
        asked_by(deep, {"depth": 2, "lr": 0.01})
    assert is_all(deep, {"depth": 1, "lr": 0.01}) and is_all(deep, {"depth": 2, "lr": 0.01, "second": 8})
    assert not is_all(deep, {"depth": 1, "lr": 0.01, "second": 8}) and not is_all(deep, {"depth": 2, "lr": 0.01})
    assert is_all(TABLE, draft(TABLE, lowest).params) and not is_all(TABLE, {"lr": 0.01})


def _twice(trial: Any) -> None:
    trial.suggest_int("bits", 2, 8)
    trial.suggest_int("bits", 2, 9)


@pytest.mark.parametrize(
    ("space", "part"),
    [({"bits": range(3)}, "space bits: range.* is no Optuna distribution"),
     (_twice, "space bits: asked for as Int.*and as"),
     (lambda trial: {"bits": 3}, "returned {'bits': 3}; return nothing")],
)  # fmt: skip
def test_what_is_no_space(space: Any, part: str) -> None:
    with pytest.raises(BadOption, match=part):
        draft(space, lowest)
