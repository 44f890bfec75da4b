"""Budgets between the floors of a network and its start: exact at both ends, and kept by every trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe
from optuna.distributions import FloatDistribution, IntDistribution
from sweeps import experiment

from hwcost.cli.network import RECIPES
from hwcost.errors import BadOption, BadRecipe
from hwcost.search import Suggestion
from hwcost.sweep.headroom import SMALLEST, Headroom
from hwcost.sweep.recipe import Recipe, load_recipe
from hwcost.sweep.trial import design, run_trial
from hwcost.train.loop import Training
from hwcost.train.width_repair import cost_at_floors

SPACE = {"base": IntDistribution(2, 5), "lut_headroom": FloatDistribution(0, 1)}


def recipe(name: str = "LUT") -> Recipe:
    """The tiny recipe with a budget inside the reach of its widths."""
    return replace(
        tiny_recipe.recipe,
        space=SPACE,
        budget=lambda params: {name: Headroom(params["lut_headroom"])},
        anchors=({"base": 2, "lut_headroom": 0.0},),
        plain=None,
        training=Training(epochs=3, batch=16),
    )


def test_both_ends_are_exact_and_the_middle_is_geometric() -> None:
    assert Headroom(0.0).between(700.0, 2_800.0) == 700.0
    assert Headroom(1.0).between(700.0, 2_800.0) == 2_800.0
    assert Headroom(0.5).between(700.0, 2_800.0) == 1_400.0
    assert Headroom(1.0).between(5.0, 5.0) == 5.0
    assert Headroom(0.0).between(0.0, 500.0) == SMALLEST * 500.0  # constants that may all be zero
    assert Headroom(0.7).between(0.0, 0.0) == 0.0  # a resource that the network does not use


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "half"])
def test_no_other_share(share: float) -> None:
    with pytest.raises(BadOption, match="give a share of the way from floors to start, 0 to 1"):
        Headroom(share)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("base", [2, 5])
def test_a_trial_keeps_its_budget_whatever_its_floors(tmp_path: Path, base: int, share: float) -> None:
    sweep = experiment(recipe(), tmp_path)
    params = {"base": base, "lut_headroom": share}
    fresh = design(sweep, params, sweep.load(), 1)
    least = cost_at_floors(fresh.net, fresh.pipeline, fresh.model)["LUT"]
    most = float(fresh.estimate().total["LUT"])
    told = run_trial(sweep, sweep.load(), Suggestion(0, params, seed=1))[0].attributes
    assert told["budget"] == {"LUT": Headroom(share).between(least, most)}
    assert told["within_budget"] and told["budget_reachable"]
    assert told["LUT"] <= told["budget"]["LUT"]


def test_speed_has_no_headroom(tmp_path: Path) -> None:
    for name in ("latency_cycles", "cycles per frame"):
        wrong = experiment(recipe(name), tmp_path)
        with pytest.raises(BadRecipe, match=r"recipe tiny: its budget\(\): " + name):
            design(wrong, {"base": 2, "lut_headroom": 0.5}, wrong.load(), 0)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_budgets_of_the_zoo_have_no_number_that_can_be_missed(name: str) -> None:
    found = load_recipe(name, RECIPES)
    assert all(isinstance(found.budget(anchor)["LUT"], Headroom) for anchor in found.anchors)
