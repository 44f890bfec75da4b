"""Trials whose channels learn: stored, recalled, repeated and refit as the networks that are left."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe
import torch
from sweeps import experiment, run
from torch import nn

from hwcost.errors import BadOption, BadStudy
from hwcost.models import Refolding, Unrolled
from hwcost.quant import QuantConv2d, QuantLinear, learn_channels
from hwcost.sweep.channel_learning import left, live_of
from hwcost.sweep.replay import best, recall, reproduce
from hwcost.sweep.settings import Settings
from hwcost.sweep.study_files import read_trials
from hwcost.sweep.trial import design
from hwcost.train.loop import evaluate
from hwcost.train.width_repair import cost_at_floors

TIGHT = replace(
    tiny_recipe.recipe,
    anchors=({"base": 2, "lut_budget": float(tiny_recipe.TIGHT)},),
    budget=lambda params: {"LUT": 0.6 * params["lut_budget"]},
)
"""A budget that all channels cannot keep, at no widths."""


def outputs(net: nn.Module) -> list[int]:
    return [layer.weight.shape[0] for layer in net.modules() if isinstance(layer, QuantConv2d | QuantLinear)]


def test_a_stored_trial_is_the_network_that_is_left(tmp_path: Path, undrawn: None) -> None:
    asked = experiment(TIGHT, tmp_path, channels=1)
    run(asked, 1)
    row = read_trials(tmp_path).iloc[0]
    live = row["live_channels"]
    assert len(live) == 4 and 1 <= live.count("1") < 4
    assert row["budget_reachable"] and row["within_budget"]
    found = recall(tmp_path, 0, lambda _: TIGHT, None)
    assert outputs(found.net) == [live.count("1"), 3]
    assert found.estimate().total["LUT"] == row["LUT"] <= 0.6 * tiny_recipe.TIGHT
    data = tiny_recipe.made(None)
    assert evaluate(found.net, data.validation) == row["accuracy"]
    kept, again = reproduce(tmp_path, 0, lambda _: TIGHT, None)
    assert kept == again


@pytest.mark.slow
def test_the_front_is_tested_repeated_refit_and_priced_for_other_parts(tmp_path: Path, undrawn: None) -> None:
    asked = experiment(tiny_recipe.recipe, tmp_path, channels=2, device=("PYNQ-Z1", "ZCU104"))
    result = run(asked, 2, repeat=2, refit=1)
    assert result.finished == 2
    assert all(live.count("1") % 2 == 0 for live in read_trials(tmp_path)["live_channels"])
    knee = recall(tmp_path, best(tmp_path, 1)[0], lambda _: tiny_recipe.recipe, None, refit=True)
    assert outputs(knee.net)[0] in (2, 4)
    assert [(part["name"], part["finished"]) for part in result.parts] == [("ZCU104", 2)]


def test_a_training_is_priced_folded_again_and_floors_are_those_of_few_channels(tmp_path: Path) -> None:
    data, params = tiny_recipe.made(None), tiny_recipe.recipe.anchors[0]
    plain = design(experiment(tiny_recipe.recipe, tmp_path), params, data, 0)
    trial = design(experiment(tiny_recipe.recipe, tmp_path, channels=1), params, data, 0)
    assert plain.learning is None and plain.hardware == (plain.pipeline, plain.model)
    assert trial.learning is not None
    pipeline, model = trial.hardware
    assert isinstance(model, Refolding) and (model.device, model.clock_mhz) == (plain.model.device, 100.0)
    assert trial.estimate().total["LUT"] == plain.estimate().total["LUT"]
    assert trial.estimate().fps >= tiny_recipe.FPS
    floors = [cost_at_floors(one.net, *one.hardware)["LUT"] for one in (trial, plain)]
    assert floors[0] < 0.7 * floors[1]
    assert trial.learning.pipeline.channels.gates.strength.min() == 1
    assert pipeline is trial.learning.pipeline


def test_only_units_that_are_folded_for_a_rate_have_channels_that_learn(tmp_path: Path) -> None:
    for changes in ({"bits": (2, 8)}, {"architecture": "unrolled"}, {"architecture": "auto"}):
        with pytest.raises(BadOption, match="channels=2 needs folded units, and no bits"):
            Settings(out=tmp_path, channels=2, **changes)  # type: ignore[arg-type] # one of each kind
    with pytest.raises(BadOption, match="channels=0: give a whole number from 1"):
        Settings(out=tmp_path, channels=0)

    def own(pipeline: object, *, device: str, clock_mhz: float, fps: float) -> Unrolled:
        return Unrolled(device=device, clock_mhz=clock_mhz)

    recipe = replace(tiny_recipe.recipe, hardware=lambda params: {"architecture": own})
    asked = experiment(recipe, tmp_path, channels=2)
    with pytest.raises(BadOption, match="the hardware is a Unrolled, and channels learn in units that are folded"):
        design(asked, recipe.anchors[0], tiny_recipe.made(None), 0)


def test_channels_of_another_network_are_refused() -> None:
    net, x = tiny_recipe.TinyNet(2), torch.zeros(1, 1, 4, 4)
    channels = learn_channels(net, x)
    assert live_of(channels) == "1111"
    assert outputs(left(channels, "1010")) == [2, 3]
    with pytest.raises(BadStudy, match="5 channels are recorded, and the network has 4"):
        left(channels, "11111")
