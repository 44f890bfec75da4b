"""Samplers without a memory of their own, and the seeds of each trial."""

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from hwcost.errors import BadOption
from hwcost.search.samplers.exhaustive import EverySampler
from hwcost.search.samplers.greybox import GreyBoxSampler
from hwcost.search.samplers.grid import Candidates

NSGA2_POPULATION = 20  # Optuna's 50 would leave a study of 50 trials all random


@dataclass(frozen=True)
class Prices:
    """Costs that a study knows before it trains; the sampler "greybox" needs it, the others know nothing of it.

    Attributes:
        space: the parameters of a trial.
        price, costs, limits: as for `GreyBoxSampler`.
    """

    space: Mapping[str, BaseDistribution]
    price: Callable[[Candidates], Mapping[str, ArrayLike]]
    costs: Mapping[int, str]
    limits: Mapping[str, float]


def make_sampler(
    name: str, seed: int, space: Mapping[str, BaseDistribution], prices: Prices | None = None
) -> BaseSampler:
    """New sampler, whose proposals follow from the earlier trials and the seed alone.

    A resumed study therefore continues as if it had never stopped. QMC keeps a counter in the study that a retry would
    move, so it is not offered, and the grid is our own for the same reason.
    """
    samplers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=seed, constant_liar=True),  # no difference where one trial runs at a time
        "nsga2": lambda: NSGAIISampler(population_size=NSGA2_POPULATION, seed=seed),
        "random": lambda: RandomSampler(seed=seed),
        "grid": lambda: EverySampler(space),
    }
    if all(importlib.util.find_spec(module) for module in ("torch", "scipy")):
        samplers["gp"] = lambda: GPSampler(seed=seed)
    if prices is not None:
        samplers["greybox"] = lambda: GreyBoxSampler(
            prices.space, prices.price, prices.costs, limits=prices.limits, seed=seed
        )
    elif name == "greybox":
        raise BadOption("sampler 'greybox': it must know costs before training; give --bits, which fixes every width")
    if name not in samplers:
        raise BadOption(f"sampler {name!r}: unknown; use one of {', '.join(samplers)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # GP before Optuna 5
        return samplers[name]()


def seeds_of(seed: int, place: int) -> tuple[int, int]:
    """Seeds of a trial and of the sampler that proposes it: two independent streams."""
    trial, sampler = np.random.SeedSequence((seed, place)).generate_state(2)
    return int(trial), int(sampler)


def check_limits(prices: Prices) -> None:
    """Refuse limits that no candidate keeps.

    Raises:
        BadOption: what the nearest exceeds, and by how much.
    """
    GreyBoxSampler(prices.space, prices.price, prices.costs, limits=prices.limits, seed=0).check_limits()
