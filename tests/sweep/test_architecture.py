"""Architectures that a trial may be built as, and the slowest design that keeps a latency."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sweeps import experiment, run

from hwcost.cost.estimate import estimate
from hwcost.errors import BadFolding, BadRecipe
from hwcost.graph.ranges import between
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Mixed, Refolding, Unrolled
from hwcost.models.device import device
from hwcost.sweep.architecture import auto, dataflow, fast_enough, unrolled
from hwcost.sweep.replay import recall, reproduce
from hwcost.sweep.study_files import read_trials
from hwcost.sweep.trial import design

PIPELINE = trace(tiny_recipe.TinyNet(3), torch.zeros(1, 1, 4, 4), input_range=between(0, 15))
PART = device("PYNQ-Z1")
PARAMS = {"base": 3, "lut_budget": 1e6}


def _folded(fps: float) -> Dataflow:
    return dataflow(PIPELINE, device=PART, clock_mhz=100.0, fps=fps)


def _latency(model: Any) -> int:
    return estimate(PIPELINE, model).latency_cycles


def test_the_slowest_design_that_keeps_a_latency() -> None:
    """Against every interval from the slowest on, one by one."""
    latencies = {}
    for interval in range(30, 100):
        with suppress(BadFolding):
            latencies[interval] = _latency(_folded(1e8 / interval))
    assert min(latencies) > 30 and len(set(latencies.values())) >= 3
    for most in (10_000, 150, 146, 130, 100, 5):
        kept = [interval for interval, latency in latencies.items() if latency <= most]
        found = _latency(fast_enough(_folded, PIPELINE, 1e8 / 99, 100.0, most))
        assert found == (latencies[max(kept)] if kept else min(latencies.values()))


def test_a_rate_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(BadFolding, match="ask for at most"):
        fast_enough(_folded, PIPELINE, 1e9, 100.0, 10.0)
    with pytest.raises(BadFolding, match="more than a frame per cycle at 100 MHz"):
        unrolled(PIPELINE, device=PART, clock_mhz=100.0, fps=2e8)


def test_unrolled_layers_take_turns_as_far_as_the_rate_allows() -> None:
    slow, fast = (unrolled(PIPELINE, device=PART, clock_mhz=100.0, fps=fps) for fps in (1e8 / 4, 1e8))
    assert [estimate(PIPELINE, one).total["cycles"] for one in (slow, fast)] == [4, 1]
    assert estimate(PIPELINE, slow).total["LUT"] < estimate(PIPELINE, fast).total["LUT"]


def _refolding(pipeline: Any, *, device: Any, clock_mhz: float, fps: float, flow: str = "rtl") -> Refolding:
    return Refolding(fps, device=device, clock_mhz=clock_mhz, flow=flow)


@pytest.mark.parametrize(
    ("chosen", "kind", "clock_mhz"),
    [
        ({}, Dataflow, 100.0),
        ({"architecture": "unrolled", "clock_mhz": 250.0, "stage_levels": 2}, Unrolled, 250.0),
        ({"architecture": _refolding, "flow": "hls"}, Refolding, 100.0),
    ],
)
def test_a_trial_chooses_architecture_and_clock(
    tmp_path: Path, chosen: dict[str, Any], kind: type, clock_mhz: float
) -> None:
    sweep = experiment(replace(tiny_recipe.recipe, hardware=lambda params: chosen), tmp_path)
    found = design(sweep, PARAMS, tiny_recipe.made(None), 0)
    assert type(found.model) is kind and found.estimate().clock_mhz == clock_mhz
    assert found.estimate().fps >= tiny_recipe.FPS
    given = experiment(sweep.recipe, tmp_path, clock_mhz=50.0)  # what the user gave wins
    assert design(given, PARAMS, tiny_recipe.made(None), 0).model.clock_mhz == 50.0


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"architecture": "systolic"}, "chooses architecture 'systolic'; give dataflow, unrolled, auto or a function"),
        ({"architecture": "unrolled", "flow": "hls"}, "chooses 'flow'; give fps, clock_mhz, architecture and any of"),
        ({"clock_mhz": 0}, "chooses clock_mhz=0; give a finite number above 0"),
        ({"fps": "fast"}, "chooses fps='fast'; give a finite number above 0"),
        ({"architecture": lambda pipeline, **options: 7}, "made a int; make a hardware model"),
        ({"architecture": lambda pipeline: 7}, "architecture failed: TypeError"),
    ],
)
def test_what_a_trial_may_not_choose(tmp_path: Path, chosen: dict[str, Any], message: str) -> None:
    sweep = experiment(replace(tiny_recipe.recipe, hardware=lambda params: chosen), tmp_path)
    with pytest.raises(BadRecipe, match=message):
        design(sweep, PARAMS, tiny_recipe.made(None), 0)


@pytest.mark.slow
def test_a_sweep_over_architectures_and_clocks_comes_out_again(tmp_path: Path) -> None:
    space = {
        "base": IntDistribution(2, 5), "architecture": CategoricalDistribution(["dataflow", "unrolled"]),
        "clock_mhz": FloatDistribution(100, 250, step=50),
    }  # fmt: skip
    searched = replace(
        tiny_recipe.recipe, space=space, budget=lambda params: {"latency_us": 0.8},
        hardware=lambda params: {name: params[name] for name in ("architecture", "clock_mhz")},
        anchors=({"base": 3, "architecture": "dataflow", "clock_mhz": 150.0},
                 {"base": 3, "architecture": "unrolled", "clock_mhz": 250.0}),
        objectives=("score", "LUT", "latency_us"),
    )  # fmt: skip
    assert run(experiment(searched, tmp_path), 4).finished == 4
    for row in read_trials(tmp_path).to_dict("records"):
        found = recall(tmp_path, row["number"], lambda _: searched, None)
        assert type(found.model).__name__.lower() == row["params"]["architecture"]
        assert found.estimate().latency_us == row["latency_us"] <= 0.8 and row["within_budget"]
        assert found.model.clock_mhz == row["params"]["clock_mhz"]
        recorded, again = reproduce(tmp_path, row["number"], lambda _: searched, None)
        assert recorded == again


def test_auto_builds_constants_where_a_layer_must_be_fast() -> None:
    found = [auto(PIPELINE, device=PART, clock_mhz=100.0, fps=fps) for fps in (1e4, 2.6e6)]
    assert not found[0].constants and found[1].constants
    assert all(estimate(PIPELINE, model).fps >= 1e4 for model in found)


def test_a_sweep_of_the_automatic_architecture_finds_its_trials_again(tmp_path: Path) -> None:
    asked = experiment(tiny_recipe.recipe, tmp_path, architecture="auto")
    run(asked, 1)
    row = read_trials(tmp_path).iloc[0]
    trial = recall(tmp_path, 0, lambda _: tiny_recipe.recipe, None)
    assert isinstance(trial.model, Mixed) and trial.estimate().total["LUT"] == row["LUT"]
