"""Samplers without a memory of their own, and the seeds of each trial."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from hwcost.errors import BadOption

NSGA2_POPULATION = 20  # Optuna's 50 would leave a study of 50 trials all random


def make_sampler(name: str, seed: int) -> BaseSampler:
    """A fresh sampler: what it proposes follows from the finished trials and the seed, so a resumed study goes on
    as if it had never stopped. QMC and grid keep a counter in the study that a retry would move, so they are not here.
    """
    samplers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=seed),
        "nsga2": lambda: NSGAIISampler(population_size=NSGA2_POPULATION, seed=seed),
        "random": lambda: RandomSampler(seed=seed),
    }
    if all(importlib.util.find_spec(module) for module in ("torch", "scipy")):
        samplers["gp"] = lambda: GPSampler(seed=seed)
    if name not in samplers:
        raise BadOption(f"sampler {name!r}: unknown; use one of {', '.join(samplers)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # GP before Optuna 5
        return samplers[name]()


def seeds_of(seed: int, place: int) -> tuple[int, int]:
    """Of the trial, and of the sampler that proposes it: two independent streams."""
    trial, sampler = np.random.SeedSequence((seed, place)).generate_state(2)
    return int(trial), int(sampler)
