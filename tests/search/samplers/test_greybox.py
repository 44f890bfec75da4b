"""The grey-box sampler: against brute force where there is one, and as a sampler in anybody's study."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import optuna
import pytest
from bit_spaces import BITS, Floats, loss
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from hwcost.errors import BadOption
from hwcost.report.pareto import hypervolume
from hwcost.search import GreyBoxSampler
from hwcost.search.samplers.grid import Candidates

WEIGHT = {"a": 4, "b": 16, "c": 24, "d": 3}


def price(candidates: Candidates) -> dict[str, Floats]:
    lut = np.sum([WEIGHT[name] * candidates[name] for name in BITS], axis=0).astype(float)
    return {"LUT": lut, "BRAM18": np.ceil(lut / 90), "DSP": np.asarray(candidates["a"] > 4, dtype=float)}


def figure(params: dict[str, Any], name: str) -> float:
    return float(price({key: np.array([value]) for key, value in params.items()})[name][0])


def explore(
    sampler: optuna.samplers.BaseSampler, trials: int, *, costs: tuple[str, ...] = ("LUT",), batch: int = 1
) -> optuna.Study:
    """Accuracy in percent up, costs down."""
    directions = ["maximize", *["minimize" for _ in costs]]
    study = optuna.create_study(directions=directions, sampler=sampler)  # type: ignore[arg-type]
    while len(study.trials) < trials:
        for trial in [study.ask(BITS) for _ in range(batch)]:
            values = [100 - loss(trial.params), *(figure(trial.params, name) for name in costs)]
            study.tell(trial, values)
    return study


@pytest.mark.slow
def test_it_finds_the_front_that_brute_force_finds() -> None:
    """Within 30 of 2,401 trainings; half of them would not help a random search."""
    every = [dict(zip(BITS, bits, strict=True)) for bits in product(range(2, 9), repeat=4)]
    points = np.array([[100 - loss(params), figure(params, "LUT")] for params in every])
    corner, ways = (99.0, 400.0), ("maximize", "minimize")
    best = hypervolume(points, corner, ways)
    found = [trial.values for trial in explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=1), 30).trials]
    chance = [trial.values for trial in explore(optuna.samplers.RandomSampler(seed=1), 30).trials]
    assert hypervolume(found, corner, ways) > 0.99 * best > hypervolume(chance, corner, ways)


@pytest.mark.slow
def test_it_repeats_from_its_seed_and_keeps_nothing_between_trials() -> None:
    once = [trial.params for trial in explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=5), 8).trials]
    again = [trial.params for trial in explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=5), 8).trials]
    assert once == again
    study = explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=5), 6)
    proposals = []
    for _ in range(2):
        study.sampler = GreyBoxSampler(BITS, price, {1: "LUT"}, seed=9)
        proposals.append(study.ask(BITS).params)
        study.tell(len(study.trials) - 1, state=TrialState.FAIL)
        study = explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=5), 6)
    assert proposals[0] == proposals[1]


@pytest.mark.slow
def test_limits_are_kept_by_every_trial() -> None:
    limits = {"LUT": 180.0, "DSP": 0.0}
    study = explore(GreyBoxSampler(BITS, price, {1: "LUT"}, limits=limits, seed=0), 15)
    for trial in study.trials:
        assert figure(trial.params, "LUT") <= 180 and trial.params["a"] <= 4


def test_a_corner_of_the_space_that_fits_is_found() -> None:
    """As good as no random candidate fits: 24 parameters, all but two at their least."""
    space = {f"w{at}": IntDistribution(2, 8) for at in range(24)}

    def total(candidates: Candidates) -> dict[str, Floats]:
        return {"bits": np.sum([candidates[name] for name in space], axis=0).astype(float)}

    sampler = GreyBoxSampler(space, total, {1: "bits"}, limits={"bits": 50}, seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for _ in range(5):
        trial = study.ask(space)
        assert sum(trial.params.values()) <= 50
        study.tell(trial, [float(sum(4.0**-bits for bits in trial.params.values())), float(sum(trial.params.values()))])


def test_limits_that_nothing_keeps_are_refused() -> None:
    sampler = GreyBoxSampler(BITS, price, {1: "LUT"}, limits={"LUT": 90.0}, seed=0)
    with pytest.raises(
        BadOption, match=r"no candidate found that keeps {'LUT': 90.0}; the nearest needs {'LUT': 94.0}: allow it"
    ):
        explore(sampler, 1)


@pytest.mark.slow
def test_one_objective_under_limits() -> None:
    study = optuna.create_study(sampler=GreyBoxSampler(BITS, price, {}, limits={"LUT": 200.0}, seed=0))
    for _ in range(20):
        trial = study.ask(BITS)
        study.tell(trial, loss(trial.params))
    every = [dict(zip(BITS, bits, strict=True)) for bits in product(range(2, 9), repeat=4)]
    best = min(loss(params) for params in every if figure(params, "LUT") <= 200)
    assert study.best_value <= 1.05 * best


@pytest.mark.slow
def test_two_known_costs() -> None:
    costs = {1: "LUT", 2: "BRAM18"}
    study = explore(GreyBoxSampler(BITS, price, costs, seed=0), 12, costs=("LUT", "BRAM18"))
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 12
    assert len(study.best_trials) >= 9


@pytest.mark.slow
def test_workers_in_parallel_propose_different_things() -> None:
    study = explore(GreyBoxSampler(BITS, price, {1: "LUT"}, seed=0), 16, batch=8)
    params = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(params)) == 16
    luts = [trial.values[1] for trial in study.trials[8:]]
    assert np.ptp(luts) > 60  # all over the front


def test_a_small_space_is_exhausted_then_repeated() -> None:
    space = {"a": IntDistribution(2, 4), "kind": CategoricalDistribution(["x", "y"])}
    sampler = GreyBoxSampler(space, lambda of: {"n": of["a"] + 2.0 * (of["kind"] == "x")}, {1: "n"}, seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for _ in range(8):
        trial = study.ask(space)
        study.tell(trial, [4.0 ** -trial.params["a"], trial.params["a"] + 2.0 * (trial.params["kind"] == "x")])
    seen = [(trial.params["a"], trial.params["kind"]) for trial in study.trials]
    assert set(seen[:6]) == set(product((2, 3, 4), "xy"))


@pytest.mark.slow
def test_in_a_study_of_anybody() -> None:
    """optimize(), a parameter of its own, enqueued and failing trials, an infinite value."""
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=GreyBoxSampler(BITS, price, {1: "LUT"}, seed=0)
    )
    study.enqueue_trial({"a": 8, "b": 2, "c": 2, "d": 8, "rate": 0.5})

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        params = {name: trial.suggest_int(name, 2, 8) for name in BITS}
        rate = trial.suggest_float("rate", 0, 1)
        assert 0 <= rate <= 1
        if trial.number == 3:
            raise ValueError("out of memory")
        return float("-inf") if trial.number == 5 else 100 - loss(params), figure(params, "LUT")

    study.optimize(objective, n_trials=12, catch=(ValueError,))
    assert [trial.state for trial in study.trials] == [
        TrialState.FAIL if at == 3 else TrialState.COMPLETE for at in range(12)
    ]
    assert study.trials[0].params["a"] == 8
    assert len({tuple(trial.params[name] for name in BITS) for trial in study.trials}) == 12


@pytest.mark.parametrize(
    ("space", "costs", "limits", "message"),
    [
        ({}, {1: "LUT"}, None, "space: empty"),
        (BITS, {}, None, "no costs and no limits"),
        (BITS, {1: "area"}, None, "price gives no 'area'; it gives LUT, BRAM18, DSP"),
        (BITS, {1: "LUT"}, {"FF": 3}, "price gives no 'FF'"),
        (BITS, {1: "LUT", 2: "BRAM18"}, None, "the study has 2; give the figure of every objective but one"),
        (BITS, {0: "LUT"}, None, "objective 0, LUT, is maximized"),
        (BITS, {3: "LUT"}, None, "the study has 2"),
    ],
)
def test_bad_options(space: Any, costs: Any, limits: Any, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        explore(GreyBoxSampler(space, price, costs, limits=limits), 1)


def test_a_price_of_a_wrong_shape_is_refused() -> None:
    with pytest.raises(BadOption, match=r"price gives LUT of shape \(\) for"):
        explore(GreyBoxSampler(BITS, lambda of: {"LUT": np.array(3.0)}, {1: "LUT"}), 1)


@pytest.mark.parametrize("limits", [{}, {"LUT": 100.0}])
def test_a_price_of_nan_is_refused(limits: dict[str, float]) -> None:
    def undefined(candidates: Candidates) -> dict[str, Floats]:
        return {"LUT": np.where(candidates["a"] == 5, np.nan, price(candidates)["LUT"])}

    sampler = GreyBoxSampler(BITS, undefined, {1: "LUT"}, limits=limits, seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    with pytest.raises(BadOption, match=r"price gives LUT = nan at \{'a': 5, 'b': \d"):
        for _ in range(8):
            trial = study.ask(BITS)
            study.tell(trial, [loss(trial.params), 1.0])


def test_a_price_with_a_gradient_counts_as_its_number() -> None:
    torch = pytest.importorskip("torch")

    def with_gradient(candidates: Candidates) -> dict[str, Any]:
        return {"LUT": torch.tensor(price(candidates)["LUT"], requires_grad=True)}

    proposals = []
    for one in (price, with_gradient):
        study = optuna.create_study(
            directions=["minimize", "minimize"], sampler=GreyBoxSampler(BITS, one, {1: "LUT"}, seed=0)
        )
        trial = study.ask(BITS)
        proposals.append(trial.params)
    assert proposals[0] == proposals[1]
