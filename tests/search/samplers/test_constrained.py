"""Constraints between parameters: every sampler keeps them in every proposal."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import IntDistribution

from hwcost.errors import BadOption
from hwcost.search.samplers.choose import Prices, Wishes, make_sampler
from hwcost.search.samplers.space import Asked, Space, fill

TABLE = {"first": IntDistribution(1, 9), "second": IntDistribution(1, 9)}


def deep(trial: Asked) -> None:
    """The same two, the second in half of the trials."""
    if trial.suggest_categorical("deep", [False, True]):
        trial.suggest_int("second", 1, 9)
    trial.suggest_int("first", 1, 9)


def narrower(params: Any) -> float:
    """Twice the second width is at most the first: 20 of 81 combinations."""
    return float(2 * params.get("second", 0) - params["first"])


def price(candidates: Any) -> dict[str, Any]:
    return {"LUT": candidates["first"] + candidates["second"]}


@pytest.mark.parametrize(
    "name",
    ["tpe", "nsga2", "random", "grid", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gp", "greybox"))],
)
@pytest.mark.parametrize("space", [TABLE, deep])
def test_no_proposal_breaks_a_constraint(name: str, space: Space) -> None:
    if space is deep and name in ("grid", "greybox"):
        pytest.skip("it needs a table")
    prices = Prices(TABLE, price, {1: "LUT"}, {}) if name == "greybox" else None
    study = optuna.create_study(directions=["minimize", "minimize"])
    for seed in range(20 if name != "gp" else 12):
        study.sampler = make_sampler(name, seed, space, prices, Wishes(excess=narrower))
        trial = study.ask()
        fill(space, trial)
        study.tell(trial, [1 / trial.params["first"], trial.params["first"] + trial.params.get("second", 0)])
    found = [trial.params for trial in study.trials]
    assert all(narrower(params) <= 0 for params in found)
    different = {tuple(sorted(params.items())) for params in found}
    assert len(different) == 20 if name in ("grid", "greybox") else len(different) > 5


def test_what_was_given_beforehand_stays() -> None:
    study = optuna.create_study(sampler=make_sampler("tpe", 0, TABLE, None, Wishes(excess=narrower)))
    study.enqueue_trial({"second": 4})
    trial = study.ask()
    fill(TABLE, trial)
    assert trial.params["second"] == 4 and trial.params["first"] >= 8


def test_constraints_that_nothing_keeps_are_refused() -> None:
    for name in ("random", "grid", "greybox"):
        prices = Prices(TABLE, price, {1: "LUT"}, {}) if name == "greybox" else None
        study = optuna.create_study(directions=["minimize", "minimize"])
        with pytest.raises(BadOption, match=r"no.* keeps"):
            study.sampler = make_sampler(name, 0, TABLE, prices, Wishes(excess=lambda params: 1.0))
            fill(TABLE, study.ask())


def test_it_repeats_from_its_seed() -> None:
    drawn = []
    for seed in (3, 3, 4):
        study = optuna.create_study(sampler=make_sampler("random", seed, deep, None, Wishes(excess=narrower)))
        trial = study.ask()
        fill(deep, trial)
        drawn.append(trial.params)
    assert drawn[0] == drawn[1] != drawn[2] and np.isfinite(drawn[0]["first"])
