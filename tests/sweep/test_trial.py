"""Trials: what was asked of them, whether they met it, and whether they could."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from sweeps import experiment, run

from hwcost.errors import BadOption, BadRecipe
from hwcost.search import Suggestion
from hwcost.sweep.trial import budget_of, run_trial
from hwcost.train.loop import Training
from hwcost.train.ready_tasks import CLASSIFICATION


@pytest.mark.parametrize(
    ("bits", "share", "within", "reachable"), [(8, 0.95, True, True), (2, 0.9, False, False), (3, 1.05, False, True)]
)
def test_a_trial_says_what_was_asked_and_whether_it_was_met(
    tmp_path: Path, bits: int, share: float, within: bool, reachable: bool
) -> None:
    training = Training(epochs=1, batch=16, width_lr=0.0)  # the widths stay at 5, where they start
    sweep = experiment(replace(tiny_recipe.recipe, training=training), tmp_path)
    budget = share * tiny_recipe.luts(bits)
    outcome, trial = run_trial(sweep, sweep.load(), Suggestion(0, {"base": 2, "lut_budget": budget}, seed=1))
    told = outcome.attributes
    assert told["budget"] == {"LUT": budget}
    assert (told["within_budget"], told["budget_reachable"]) == (within, reachable)
    assert (told["LUT"] <= budget) is within
    assert told["energy_uj"] == trial.estimate().energy_uj is not None


@pytest.mark.slow
def test_a_missed_budget_is_marked_in_table_and_page(tmp_path: Path) -> None:
    floor = tiny_recipe.luts(2)
    narrow = {"base": 2, "lut_budget": 0.9 * floor}
    space = {**tiny_recipe.SPACE, "lut_budget": replace_low(0.5 * floor)}
    recipe = replace(tiny_recipe.recipe, anchors=(narrow,), space=space)
    page = run(experiment(recipe, tmp_path), 1).page
    row = json.loads((tmp_path / "trials.json").read_text())["trials"][0]
    assert (row["within_budget"], row["budget_reachable"], row["budget"]) == (False, False, {"LUT": 0.9 * floor})
    with (tmp_path / "trials.csv").open(newline="", encoding="utf-8") as file:
        (table,) = csv.DictReader(file)
    assert (table["within_budget"], table["budget_reachable"]) == ("False", "False")
    assert float(table["budget:LUT"]) == 0.9 * floor
    assert "1 of 1 finished trials exceeds its budget, 1 of them because no widths" in page.read_text()


def test_a_limit_out_of_reach_is_raised_to_what_the_widths_can_reach(tmp_path: Path) -> None:
    sweep = experiment(tiny_recipe.recipe, tmp_path)
    data, floor = sweep.load(), tiny_recipe.luts(2)
    for limit in (0.5 * floor, 1.5 * floor):
        keeper = budget_of(sweep, {"base": 2, "lut_budget": limit}, data, {"LUT": limit}, {"LUT": floor, "FF": 1.0})
        assert keeper is not None and keeper.limits == {"LUT": max(limit, floor)}


def replace_low(low: float):  # type: ignore[no-untyped-def]
    """The distribution of the budget, from another least one on."""
    budget = tiny_recipe.recipe.space["lut_budget"]
    return type(budget)(low, budget.high, log=True)  # type: ignore[attr-defined, call-arg]


@pytest.mark.parametrize(
    ("score", "error", "part"),
    [
        (
            lambda right, y: float("nan"),
            BadRecipe,
            "recipe tiny: the accuracy of its float network on validation data is nan; mend",
        ),
        (lambda right, y: [0.5], BadOption, r"its score\(\) returned list; return one number"),
    ],
)
def test_a_bad_score_ends_before_the_search_and_can_be_mended(
    tmp_path: Path, undrawn: None, score: Any, error: type[Exception], part: str
) -> None:
    bad = replace(tiny_recipe.recipe, task=replace(CLASSIFICATION, score=score))
    with pytest.raises(error, match=part):
        run(experiment(bad, tmp_path), 1)
    assert not (tmp_path / "float.json").exists()
    assert run(experiment(tiny_recipe.recipe, tmp_path), 1).finished == 1


def test_a_trial_without_a_score_says_so_under_its_name(tmp_path: Path, undrawn: None) -> None:
    calls: list[int] = []

    def broken(right: Any, y: Any) -> float:
        calls.append(1)
        return 0.5 if len(calls) <= 8 else float("nan")  # six epochs of the float network, and its scores

    recipe = replace(tiny_recipe.recipe, task=replace(CLASSIFICATION, name="recall", score=broken))
    run(experiment(recipe, tmp_path), 1)
    (row,) = json.loads((tmp_path / "trials.json").read_text())["trials"]
    assert (row["state"], row["error"]) == ("FAIL", "DivergedTraining: the recall is nan")
