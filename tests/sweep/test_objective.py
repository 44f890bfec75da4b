"""One assignment of a recipe, trained for tuners of others: the figures are those of a sweep's trial."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from tiny_recipe import made, recipe

import hwcost
from hwcost.errors import BadOption


@pytest.mark.slow
def test_its_figures_are_those_of_a_trial(tmp_path: Path) -> None:
    study = hwcost.run_sweep(recipe, trials=2, out=tmp_path, quiet=True)
    row = study.frame().iloc[1]
    found = hwcost.train_trial(recipe, {name: row[name] for name in recipe.space}, seed=int(row["seed"]))
    for name in ("score", "LUT", "BRAM18", "latency_us", "fps", "energy_uj", "within_budget"):
        assert found[name] == row[name], name
    assert "accuracy" not in found and found["interval_cycles"] == row["interval_cycles"]


@pytest.mark.slow
def test_a_study_of_optuna_may_run_it_in_threads() -> None:
    data = made(None)
    study = optuna.create_study(directions=["maximize", "minimize"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        params = {name: trial._suggest(name, choices) for name, choices in recipe.space.items()}  # type: ignore[union-attr]
        found = hwcost.train_trial(recipe, params, data=data, seed=trial.number)
        return found["score"], found["LUT"]

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.optimize(objective, n_trials=4, n_jobs=2)
    optuna.logging.set_verbosity(verbosity)
    assert all(trial.values[0] > 0.2 and trial.values[1] > 0 for trial in study.trials)


def test_other_parameters_than_those_of_the_space_are_refused() -> None:
    with pytest.raises(BadOption, match=r"recipe tiny: parameters \['bits'\]; give \['base', .*\]"):
        hwcost.train_trial(recipe, {"bits": 3})
