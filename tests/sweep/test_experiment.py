"""A recipe under settings: what they override, and what a recipe may not return."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
import torch
from sweeps import experiment

from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadFolding, BadRecipe, UnknownDevice
from hwcost.search import Objective
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.trial import design
from hwcost.train.loop import Training

PARAMS = {"base": 2, "lut_budget": 500.0}


def tiny(tmp_path: Path, recipe: Any = tiny_recipe.recipe, **settings: Any) -> Experiment:
    return experiment(recipe, tmp_path, **settings)


def changed(tmp_path: Path, **changes: Any) -> Experiment:
    return tiny(tmp_path, replace(tiny_recipe.recipe, **changes))


def test_settings_override_the_part_of_the_recipe(tmp_path: Path) -> None:
    plain = tiny(tmp_path)
    assert (plain.part.name, plain.fps, plain.clock_mhz) == ("PYNQ-Z1", tiny_recipe.FPS, tiny_recipe.recipe.clock_mhz)
    other = tiny(tmp_path, device="ZCU104", fps=1_000.0, clock_mhz=200.0)
    assert (other.part.name, other.fps, other.clock_mhz) == ("ZCU104", 1_000.0, 200.0)
    with pytest.raises(UnknownDevice):
        _ = tiny(tmp_path, device="xc9").part


def test_objectives_are_the_score_and_figures_that_every_trial_has(tmp_path: Path) -> None:
    assert tiny(tmp_path).objectives == (
        Objective("accuracy", "maximize"), Objective("LUT", "minimize"), Objective("BRAM18", "minimize"),
    )  # fmt: skip
    speeds = changed(tmp_path, objectives=("accuracy", "fps", "latency_us"))
    assert [objective.direction for objective in speeds.objectives] == ["maximize", "maximize", "minimize"]
    with pytest.raises(BadRecipe, match=r"recipe tiny: objective 'area'; give score and any of LUT.* interval_cycles"):
        _ = changed(tmp_path, objectives=("accuracy", "area")).objectives
    with pytest.raises(BadRecipe, match=r"objective 'fps'; .*: give another --sampler"):
        _ = experiment(speeds.recipe, tmp_path, bits=(2, 5)).objectives  # prices are known before training
    assert len(experiment(speeds.recipe, tmp_path, bits=(2, 5), sampler="tpe").objectives) == 3


def test_energy_is_an_objective_where_the_part_has_a_published_power(tmp_path: Path) -> None:
    rough = changed(tmp_path, objectives=("accuracy", "energy_uj"))
    assert rough.objectives[1] == Objective("energy_uj", "minimize")
    with pytest.raises(BadRecipe, match=r"no published power of the family of ZCU104; give a part of the 7 series"):
        _ = experiment(rough.recipe, tmp_path, device="ZCU104").objectives


def test_with_bits_the_plain_network_has_the_widths_of_the_trial(tmp_path: Path) -> None:
    sweep = experiment(tiny_recipe.roomy, tmp_path, bits=(2, 5), limits={"LUT": 900.0}, sampler="greybox")
    names = learned_widths(tiny_recipe.TinyNet(2))
    net = sweep.network(dict.fromkeys(names, 3))
    assert {int(width()) for width in learned_widths(net).values()} == {3}
    assert not any(width.offset.requires_grad for width in learned_widths(net).values())
    assert dict(sweep.budget({})) == {"LUT": 900.0} and sweep.rehearsals == ({},)
    assert tiny(tmp_path).budget(PARAMS) == {"LUT": 500.0} and len(tiny(tmp_path).rehearsals) == 2


def test_limits_on_speed_and_score_go_with_every_search(tmp_path: Path) -> None:
    limits = {"latency_us": 3.0, "interval_cycles": 200.0, "score": 0.8}
    searched = experiment(replace(tiny_recipe.recipe, worst_score=0.5), tmp_path, limits=limits)
    assert searched.objectives[0] == Objective("accuracy", "maximize", 0.8)
    with pytest.raises(BadRecipe, match=r"recipe tiny: worst score 80 of a ratio shown in percent; give 0\.8"):
        _ = experiment(tiny_recipe.recipe, tmp_path, limits={"score": 80.0}).objectives
    assert searched.budget(PARAMS) == {"LUT": 500.0, "latency_us": 3.0, "interval_cycles": 200.0}
    tighter = changed(tmp_path, budget=lambda params: {"latency_us": 2.0})
    assert replace(searched, recipe=tighter.recipe).budget(PARAMS)["latency_us"] == 2.0
    widths = experiment(tiny_recipe.roomy, tmp_path, bits=(2, 5), limits={"LUT": 900.0, **limits})
    assert widths.budget({}) == {"LUT": 900.0, "latency_us": 3.0, "interval_cycles": 200.0}


@pytest.mark.parametrize("architecture", [None, "unrolled"])
def test_the_hardware_keeps_a_limit_on_latency_or_the_trial_is_refused(
    tmp_path: Path, architecture: str | None
) -> None:
    data = tiny_recipe.made(None)
    free = tiny(tmp_path, architecture=architecture, fps=1e4)
    slow = design(free, PARAMS, data, 0).estimate().latency_cycles
    asked = {"latency_cycles": slow - 1.0}
    found = design(tiny(tmp_path, architecture=architecture, fps=1e4, limits=asked), PARAMS, data, 0).estimate()
    assert found.latency_cycles < slow and found.total["LUT"] > 0
    with pytest.raises(
        BadFolding, match=r"a latency of 1 cycles is asked for, 0\.01 us at 100 MHz; the fastest design"
    ):
        design(tiny(tmp_path, architecture=architecture, limits={"latency_us": 0.01}), PARAMS, data, 0)


def test_a_training_may_follow_from_the_parameters(tmp_path: Path) -> None:
    sweep = changed(tmp_path, training=lambda params: Training(epochs=params["base"]))
    assert sweep.training({"base": 3}).epochs == 3
    assert sweep.training().epochs == 5  # of the first try
    assert tiny(tmp_path).training() is tiny_recipe.recipe.training


def test_hardware_chosen_by_a_trial(tmp_path: Path) -> None:
    usual = {"fps": tiny_recipe.FPS, "clock_mhz": 100.0, "architecture": "dataflow"}
    assert tiny(tmp_path).hardware(PARAMS) == usual
    sweep = changed(tmp_path, hardware=lambda params: {"multipliers": "dsp", "fps": 10.0})
    assert sweep.hardware(PARAMS) == usual | {"multipliers": "dsp", "fps": 10.0}
    fixed = experiment(sweep.recipe, tmp_path, fps=77.0)
    assert fixed.hardware(PARAMS)["fps"] == 77.0  # what the user gave wins


@pytest.mark.parametrize(
    ("changes", "call", "message"),
    [
        ({"network": lambda params: "net"}, "network", r"its network\(\) returned str, not a"),
        ({"float_network": lambda: None}, "float_network", r"its float_network\(\) returned NoneType"),
        ({"data": lambda path: [1]}, "load", r"its data\(\) returned list, not a"),
        ({"training": lambda params: 7}, "training", r"its training\(\) returned int, not a Training"),
        ({"budget": lambda params: {"LUT": -1}}, "budget", "LUT: -1; give a finite amount of at least 0"),
        ({"budget": lambda params: {"latency_us": 0}}, "budget", "latency_us: 0; give a finite amount above 0"),
        ({"budget": lambda params: {"fps": 3}}, "budget", "fps has no upper limit; limit interval_cycles"),
        ({"budget": lambda params: 5}, "budget", "returned 5; return a dict of names and values"),
        (
            {"hardware": lambda params: {"pe": 3}},
            "hardware",
            "chooses 'pe'; give fps, clock_mhz, architecture and any of multipliers",
        ),
        ({"pretrained": lambda: [1]}, "float_network", "pretrained holds list; give the state_dict"),
        ({"pretrained": lambda: {"x": torch.ones(1)}}, "float_network", "pretrained is no state_dict of the float"),
    ],
)
def test_what_a_recipe_may_not_return(tmp_path: Path, changes: dict[str, Any], call: str, message: str) -> None:
    function = getattr(changed(tmp_path, **changes), call)
    with pytest.raises(BadRecipe, match=f"recipe tiny: .*{message}"):
        function(PARAMS) if call in ("network", "budget", "hardware") else function()


def test_given_weights_are_asked_for_once_and_draw_nothing(tmp_path: Path) -> None:
    calls: list[int] = []

    def given() -> dict[str, torch.Tensor]:
        calls.append(len(calls))
        torch.manual_seed(7)
        return dict(tiny_recipe.TinyNet(None).state_dict())

    sweep = changed(tmp_path, pretrained=given)
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        sweep.network(PARAMS)
        sweep.float_network()
        drawn.append(float(torch.rand(())))
    assert calls == [0] and drawn[0] == drawn[1]
