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


def _fails(*_: Any) -> Any:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss": _fails}, r"the loss\(\) of its task failed: ZeroDivisionError: by zero \(.*test_rehearsal"),
        ({"judge": _fails}, r"the judge\(\) of its task failed: ZeroDivisionError: by zero \(.*test_rehearsal"),
        ({"loss": lambda out, x, y: (out - 1).square()}, r"loss\(\) of its task gives a tensor of shape \(16, 3\)"),
        ({"loss": lambda out, x, y: out.detach().sum()}, r"loss\(\) .* shape \(\) for a batch; give one number with a"),
        ({"loss": lambda out, x, y: 0.5}, r"loss\(\) of its task gives float for a batch"),
        ({"judge": lambda out, x, y: 0.5}, r"judge\(\) of its task gives float for a batch of 16; give tensors"),
        ({"judge": lambda out, x, y: out.mean()}, r"judge\(\) .* gives a tensor of shape \(\) for a batch of 16"),
        ({"judge": lambda out, x, y: out.mean(0)}, r"judge\(\) .* gives a tensor of shape \(3,\) for a batch of 16"),
    ],
)
def test_loss_and_judge_are_called_before_anything_is_trained(tmp_path: Path, changes: Any, told: str) -> None:
    sweep = experiment(replace(tiny_recipe.recipe, task=replace(CLASSIFICATION, **changes)), tmp_path)
    with pytest.raises(BadRecipe, match=f"recipe tiny: .*{told}"):
        rehearse(sweep, sweep.load())
    if "loss" in changes:  # a training of its own may have a loss of its own
        own = experiment(replace(sweep.recipe, train=lambda net, run: None), tmp_path)
        rehearse(own, own.load())


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
    both = replace(
        CLASSIFICATION,
        outputs=lambda data: ((3,), (3,)),
        loss=lambda out, x, y: CLASSIFICATION.loss(out[0], x, y),
        judge=lambda out, x, y: CLASSIFICATION.judge(out[1], x, y),
    )
    two = experiment(replace(recipe, task=both), tmp_path)
    rehearse(two, two.load())
