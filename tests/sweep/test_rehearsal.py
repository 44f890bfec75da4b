"""Rehearsals: faults of a recipe that show without training are met before any."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
import torch
from optuna.distributions import FloatDistribution, IntDistribution
from sweeps import experiment

from hwcost.errors import BadRecipe
from hwcost.sweep.rehearsal import rehearse
from hwcost.train.ready_tasks import CLASSIFICATION


@pytest.mark.parametrize(
    ("budget", "network", "unread"),
    [
        (lambda p: {"LUT": p["lut_budget"]}, lambda p: tiny_recipe.TinyNet(p["base"]), {"lr", "epochs"}),
        (lambda p: {"LUT": p["lut_budget"], "lr": p["lr"]}, lambda p: tiny_recipe.TinyNet(p["base"]), {"epochs"}),
        (lambda p: {"LUT": p["lut_budget"]}, lambda p: tiny_recipe.TinyNet(base=dict(p)["base"]), set()),
        # read where the base is narrow, which no first try is
        (lambda p: {"LUT": p["lut_budget"]}, lambda p: tiny_recipe.TinyNet(p["base"] + 0 * _read_if_low(p)), set()),
    ],
)
def test_parameters_that_nobody_reads_are_refused(tmp_path: Path, budget: Any, network: Any, unread: set[str]) -> None:
    space = {**tiny_recipe.SPACE, "lr": FloatDistribution(1e-4, 1.0), "epochs": IntDistribution(1, 9)}
    recipe = replace(
        tiny_recipe.recipe, space=space, anchors=({**tiny_recipe.recipe.anchors[0], "lr": 0.1, "epochs": 3},),
        budget=lambda p: {"LUT": budget(p)["LUT"]},  # no other resource
        network=network,
    )  # fmt: skip
    sweep = experiment(recipe, tmp_path / "study")
    refused = pytest.raises(BadRecipe, match=f"space has {', '.join(sorted(unread))}, which network")
    with refused if unread else nullcontext():
        rehearse(sweep, sweep.load())


def _read_if_low(params: Any) -> float:
    return params["lr"] + params["epochs"] if params["base"] < 4 else 0.0  # type: ignore[no-any-return]


class _TwoHeads(tiny_recipe.TinyNet):
    def forward(self, input: torch.Tensor) -> Any:
        *body, head = self
        for layer in body:
            input = layer(input)
        return head(input), head(input)


def test_every_output_is_held_against_the_task(tmp_path: Path) -> None:
    recipe = replace(tiny_recipe.recipe, network=lambda p: _TwoHeads(p["base"]), float_network=lambda: _TwoHeads(None))
    sweep = experiment(recipe, tmp_path)
    with pytest.raises(
        BadRecipe, match=r"gives \(\(3,\), \(3,\)\) for a sample; accuracy on made, of 3 classes, needs"
    ):
        rehearse(sweep, sweep.load())
    two = experiment(replace(recipe, task=replace(CLASSIFICATION, outputs=lambda data: ((3,), (3,)))), tmp_path)
    rehearse(two, two.load())
