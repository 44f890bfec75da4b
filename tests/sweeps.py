"""Experiments of tests, and calls of a sweep with a number of trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hwcost.sweep.run
from hwcost.search import Crew
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finish import finish
from hwcost.sweep.listener import Listener
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.run import Result
from hwcost.sweep.settings import Settings


def experiment(recipe: Recipe, out: Path, /, **settings: Any) -> Experiment:
    """A recipe under settings; its reference is of no file unless given."""
    return Experiment(recipe, Settings(**{"recipe": "tiny.py:recipe", "out": out, **settings}))


def with_settings(one: Experiment, **changes: Any) -> Experiment:
    """The same recipe under changed settings."""
    return replace(one, settings=replace(one.settings, **changes))


def run(
    one: Experiment, trials: int, listener: Listener | None = None, crew: Crew | None = None, **afterwards: int
) -> Result:
    """A sweep of that many trials, and with polish, repeat or refit what `hwcost finish` does then."""
    given = with_settings(one, trials=trials)
    result = hwcost.sweep.run.run(given, listener, crew)
    return finish(given, listener=listener, crew=crew, **afterwards) if afterwards else result
