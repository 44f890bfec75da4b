"""A recipe as the objective of another tuner: Ray Tune, submitit, or a study of Optuna that a user runs himself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwcost.errors import BadOption
from hwcost.report.score import published
from hwcost.search import Params, Suggestion
from hwcost.sweep.entering import check_input
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Recipe, load_recipe
from hwcost.sweep.settings import Settings
from hwcost.sweep.trial import run_trial
from hwcost.sweep.trust import RECIPES
from hwcost.train.data import Data


def train_trial(
    recipe: Recipe | str, params: Params, *, data: Data | Path | str | None = None, seed: int = 0, **settings: Any
) -> dict[str, Any]:
    """Train one assignment of a recipe's space, as a trial of a sweep is; nothing is written.

    Args:
        recipe: or its reference, as on the command line, which other processes and machines can find.
        params: a value for each parameter of the space.
        data: the data set of the recipe, if it is loaded already; or its path.
        seed: of the training, 0 to 2**32 - 1; the same seed gives the same figures on as many threads.
        settings: others of `hwcost.sweep.settings.Settings`, e.g. `device="ZCU104"` or `accelerator="cuda"`.

    Returns:
        "score" (on validation data), resources, interval_cycles, latency_cycles, latency_us, fps and energy_uj
        (None for a part without published power); fits and within_budget; what the recipe's own training returned.

    Raises:
        BadOption: parameters that are not those of the space.
        DivergedTraining, BadFolding, OutOfMemory: what a sweep records as a failed trial.
    """
    found = load_recipe(recipe, RECIPES) if isinstance(recipe, str) else recipe
    if isinstance(found.space, Mapping) and params.keys() != found.space.keys():
        raise BadOption(f"recipe {found.name}: parameters {sorted(params)}; give {sorted(found.space)}")
    path = None if data is None or isinstance(data, Data) else Path(data)
    experiment = Experiment(found, Settings(**{"recipe": found.name, "out": Path(), "data": path, **settings}))
    loaded = data if isinstance(data, Data) else experiment.load()
    if not isinstance(data, Data):
        check_input(f"recipe {found.name}", loaded, found.input, found.input_step)
    outcome, _ = run_trial(experiment, loaded, Suggestion(number=0, params=params, seed=seed))
    figures = {name: one for name, one in outcome.attributes.items() if isinstance(one, int | float | str)}
    return published(figures) | dict(outcome.attributes.get("figures", {}))
