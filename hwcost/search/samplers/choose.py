"""Samplers without a memory of their own, and the seeds of each trial."""

import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from hwcost.errors import BadOption
from hwcost.search.samplers.constrained import ConstrainedSampler
from hwcost.search.samplers.exhaustive import EverySampler
from hwcost.search.samplers.greybox import GreyBoxSampler
from hwcost.search.samplers.grid import Candidates
from hwcost.search.samplers.space import Excess, Space

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


@dataclass(frozen=True)
class Wishes:
    """Wishes of a study besides its objectives.

    Attributes:
        excess: of the constraints between parameters, which every proposal keeps.
        worst: of the objective that the grey-box sampler models, the worst value that counts.
        broken: a finished trial -> by how much it is beyond the worst values that count, each at most 0 where it is
            not; as Optuna's `constraints_func`.
    """

    excess: Excess | None = None
    worst: float | None = None
    broken: Callable[[FrozenTrial], Sequence[float]] | None = None


NO_WISHES = Wishes()


def make_sampler(
    name: str, seed: int, space: Space, prices: Prices | None = None, wishes: Wishes = NO_WISHES
) -> BaseSampler:
    """New sampler, whose proposals follow from the earlier trials and the seed alone.

    A resumed study therefore continues as if it had never stopped. QMC keeps a counter in the study that a retry would
    move, so it is not offered, and the grid is our own for the same reason.
    """
    excess, broken = wishes.excess, wishes.broken
    samplers: dict[str, Callable[[], BaseSampler]] = {
        # the liar makes no difference where one trial runs at a time
        "tpe": lambda: TPESampler(seed=seed, constant_liar=True, constraints_func=broken),
        "nsga2": lambda: NSGAIISampler(population_size=NSGA2_POPULATION, seed=seed, constraints_func=broken),
        "random": lambda: RandomSampler(seed=seed),
        "grid": lambda: EverySampler(_table(space), excess),
    }
    if all(importlib.util.find_spec(module) for module in ("torch", "scipy")):
        samplers["gp"] = lambda: GPSampler(seed=seed, constraints_func=broken)
    if prices is not None:
        known = prices if excess is None else _constrained(prices, excess)
        samplers["greybox"] = lambda: GreyBoxSampler(
            known.space, known.price, known.costs, limits=known.limits, worst=wishes.worst, seed=seed
        )
    elif name == "greybox":
        raise BadOption("sampler 'greybox': it must know costs before training; give --bits, which fixes every width")
    if name not in samplers:
        raise BadOption(f"sampler {name!r}: unknown; use one of {', '.join(samplers)}")
    with warnings.catch_warnings():
        # GP before Optuna 5 and `constraints_func`, which Optuna 5 replaces and 4 has alone
        for of in (optuna.exceptions.ExperimentalWarning, FutureWarning):
            warnings.simplefilter("ignore", of)
        made = samplers[name]()
    return made if excess is None or name in ("grid", "greybox") else ConstrainedSampler(made, space, excess, seed)


def _table(space: Space) -> Mapping[str, BaseDistribution]:
    if not isinstance(space, Mapping):
        raise BadOption("sampler 'grid': the space is a function, which has no grid; give a dict, or another sampler")
    return space


def _constrained(prices: Prices, excess: Excess) -> Prices:
    """Prices with the constraints between parameters as one more figure that is limited."""

    def price(candidates: Candidates) -> Mapping[str, ArrayLike]:
        rows = zip(*(column.tolist() for column in candidates.values()), strict=True)
        broken = [excess(dict(zip(candidates, row, strict=True))) for row in rows]
        return {**prices.price(candidates), "constraints": np.array(broken, dtype=np.float64)}

    return replace(prices, price=price, limits={**prices.limits, "constraints": 0.0})


def seeds_of(seed: int, place: int) -> tuple[int, int]:
    """Seeds of a trial and of the sampler that proposes it: two independent streams."""
    trial, sampler = np.random.SeedSequence((seed, place)).generate_state(2)
    return int(trial), int(sampler)


def check_limits(prices: Prices, excess: Excess | None = None) -> None:
    """Refuse limits and constraints that no candidate keeps.

    Raises:
        BadOption: what the nearest exceeds, and by how much.
    """
    prices = prices if excess is None else _constrained(prices, excess)
    GreyBoxSampler(prices.space, prices.price, prices.costs, limits=prices.limits, seed=0).check_limits()
