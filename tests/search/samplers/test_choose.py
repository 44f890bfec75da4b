"""The choice of a sampler by name, and the seeds of each trial."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import IntDistribution

from hwcost.errors import BadOption
from hwcost.search.samplers.choose import NSGA2_POPULATION, Prices, check_limits, make_sampler, seeds_of
from hwcost.search.samplers.exhaustive import EverySampler
from hwcost.search.samplers.greybox import GreyBoxSampler

SPACE = {"a": IntDistribution(2, 8), "b": IntDistribution(2, 8)}


def prices(**limits: float) -> Prices:
    return Prices(SPACE, lambda of: {"LUT": 10.0 * np.asarray(of["a"] + of["b"])}, {1: "LUT"}, limits)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tpe", optuna.samplers.TPESampler),
        ("nsga2", optuna.samplers.NSGAIISampler),
        ("random", optuna.samplers.RandomSampler),
        ("gp", optuna.samplers.GPSampler),
        ("grid", EverySampler),
        ("greybox", GreyBoxSampler),
    ],
)
def test_each_name_makes_its_sampler_which_repeats_from_its_seed(name: str, kind: type) -> None:
    proposals = []
    for seed in (5, 5, 6):
        sampler = make_sampler(name, seed, SPACE, prices())
        assert type(sampler) is kind
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        proposals.append(study.ask(SPACE).params)
    assert proposals[0] == proposals[1]
    if name not in ("grid", "greybox"):  # their first proposals are not random
        assert proposals[0] != proposals[2]


def test_a_generation_is_shorter_than_a_study() -> None:
    sampler = make_sampler("nsga2", 0, SPACE)
    assert isinstance(sampler, optuna.samplers.NSGAIISampler) and sampler.population_size == NSGA2_POPULATION


def test_unknown_and_unpriced_samplers_are_refused() -> None:
    with pytest.raises(BadOption, match=r"sampler 'annealing': unknown; use one of tpe, nsga2, random, grid"):
        make_sampler("annealing", 0, SPACE)
    with pytest.raises(BadOption, match="sampler 'greybox': it must know costs before training; give --bits"):
        make_sampler("greybox", 0, SPACE)


def test_seeds_of_a_trial_differ_by_study_place_and_use() -> None:
    seeds = [seed for study in range(20) for place in range(20) for seed in seeds_of(study, place)]
    assert len(set(seeds)) == 800 and all(0 <= seed < 2**32 for seed in seeds)
    assert seeds_of(3, 4) == seeds_of(3, 4)


def test_limits_that_nothing_keeps() -> None:
    check_limits(prices(LUT=40.0))
    with pytest.raises(BadOption, match=r"the nearest needs {'LUT': 40.0}"):
        check_limits(prices(LUT=39.0))
