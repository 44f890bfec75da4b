"""Recipes: what a sweep needs to know, found by name, module or file."""

from __future__ import annotations

import os
import py_compile
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_recipe
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial
from sweeps import experiment
from tiny_recipe import FPS, made
from tiny_recipe import recipe as tiny

from hwcost.cli.network import RECIPES
from hwcost.cost.estimate import estimate
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadRecipe
from hwcost.graph.trace import trace
from hwcost.models import RESOURCES, Dataflow, target_fps
from hwcost.quant import LearnedBits
from hwcost.sweep.headroom import in_units
from hwcost.sweep.recipe import Recipe, load_object, load_recipe
from hwcost.sweep.trial import design
from hwcost.sweep.width_space import WidthSpace, fix_widths
from hwcost.train.budget import Budget

TINY = Path(tiny_recipe.__file__)


@pytest.fixture(autouse=True)
def _imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


LARGE = ("mobilenet-v1", "proxylessnas")
SHIPPED = [pytest.param(name, marks=pytest.mark.slow) if name.startswith(LARGE) else name for name in sorted(RECIPES)]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipes_that_ship_hold_together(name: str) -> None:
    """Every anchor builds, folds to its frame rate, and is priced; its budget names priced resources.

    Of large networks, whose FIFOs take long to find, one is priced here, at one anchor; the test of networks with a
    name prices them all.
    """
    recipe = load_recipe(name, RECIPES)
    assert recipe.name == name and recipe.example is not None
    assert set(recipe.objectives) <= {"accuracy", *RESOURCES}
    example = torch.zeros(1, *recipe.example)
    large = name.startswith(LARGE)
    for at, params in enumerate(recipe.anchors):
        FixedTrial(dict(params))
        for key, choices in recipe.space.items():
            assert choices._contains(choices.to_internal_repr(params[key]))
        net = recipe.network(params)
        pipeline = trace(net, example, input_range=recipe.input)
        folding = target_fps(pipeline, recipe.fps, clock_mhz=recipe.clock_mhz)
        assert recipe.clock_mhz * 1e6 / folding.interval_cycles >= recipe.fps
        if large and (at or name != LARGE[0]):
            assert set(recipe.budget(params)) <= {*RESOURCES}
            continue
        model = Dataflow(device=recipe.device, folding=folding, clock_mhz=recipe.clock_mhz)
        used = hardware_cost(pipeline, model)
        assert recipe.clock_mhz * 1e6 / used["cycles"].item() >= recipe.fps
        assert isinstance(Budget(in_units(name, recipe.budget(params), net, pipeline, model)).fits(used), bool)
        bits = [module for module in net.modules() if isinstance(module, LearnedBits)]
        assert len(bits) >= 7
        floors = {module.base for module in bits}
        assert floors == {value for name, value in params.items() if name.endswith("_base")}
    floating = recipe.float_network()
    assert not any(isinstance(module, LearnedBits) for module in floating.modules())
    assert _weights(floating) == _weights(recipe.network(recipe.anchors[0]))
    assert floating.eval()(example).shape == recipe.network(recipe.anchors[0]).eval()(example).shape


@pytest.mark.parametrize("name", SHIPPED)
def test_the_widths_of_the_recipes_that_ship_can_be_searched_down_to_their_least(name: str) -> None:
    recipe = load_recipe(name, RECIPES)
    assert recipe.plain is not None and recipe.example is not None
    net = recipe.network(recipe.plain)
    pipeline = trace(net, torch.zeros(1, *recipe.example), input_range=recipe.input)
    folding = target_fps(pipeline, recipe.fps, clock_mhz=recipe.clock_mhz)
    model = Dataflow(device=recipe.device, folding=folding, clock_mhz=recipe.clock_mhz)
    widths = WidthSpace(net, pipeline, model, (1, 8))
    least = {key: choices.low for key, choices in widths.space.items() if isinstance(choices, IntDistribution)}
    assert {*least.values()} == {1, 2}  # unsigned activations; weights and what has a sign
    fix_widths(net, least)
    priced = widths.price({key: np.array([bits]) for key, bits in least.items()})
    assert estimate(pipeline, model).total["LUT"] == priced["LUT"][0]


def _weights(net: torch.nn.Module) -> set[torch.Size]:
    """Shapes of all but vectors and what quantizers hold."""
    return {x.shape for name, x in net.named_parameters() if x.ndim > 1 and "quant" not in name}


def test_three_ways_to_name_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "mine.py").write_text(TINY.read_text())
    assert load_recipe("tiny", {"tiny": "package.mine:recipe"}).name == "tiny"
    assert load_recipe("package.mine:recipe", {}).name == "tiny"
    by_file = load_recipe("package/mine.py:recipe", {})
    assert by_file.name == "tiny"
    assert load_recipe(f"{tmp_path}/package/mine.py:recipe", {}).space == by_file.space


def test_a_file_hides_no_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("thing = 3")
    import json

    assert load_object("json.py:thing", {}) == 3
    assert sys.modules["json"] is json


def test_the_anchors_come_first_or_else_the_lowest_corner() -> None:
    assert tiny.first_tries == tiny.anchors
    space = {
        "bits": IntDistribution(2, 8),
        "kind": CategoricalDistribution(["int", "ternary"]),
        "lr": FloatDistribution(1e-4, 1.0, log=True),
    }
    assert replace(tiny, space=space, anchors=()).first_tries == ({"bits": 2, "kind": "int", "lr": 1e-4},)
    with pytest.raises(BadRecipe, match="space bits: 3 is no Optuna distribution"):
        _ = replace(tiny, space={"bits": 3}, anchors=()).first_tries  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"name": ""}, "name ''"),
        ({"name": "../up"}, "name '../up'"),
        ({"name": "two words"}, "letters, digits, - and _"),
        ({"objectives": ("LUT", "BRAM18")}, "name score"),
        ({"objectives": ("accuracy", "score")}, "once"),
        ({"objectives": ("accuracy", "LUT", "LUT")}, "once"),
        ({"anchors": ({"base": 2},)}, "lut_budget"),
        ({"anchors": ({"base": 2, "lut_budget": 500.0, "extra": 1},)}, "extra"),
    ],
)
def test_a_recipe_that_makes_no_sense(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadRecipe, match=part):
        replace(tiny, **changes)


def test_a_mistyped_field_is_refused() -> None:
    with pytest.raises(TypeError, match="objectivs"):
        Recipe(**{**vars(tiny), "objectivs": ()})


def test_a_trial_chooses_its_hardware(tmp_path: Path) -> None:
    recipe = replace(tiny, hardware=lambda params: {"multipliers": "dsp", "fps": FPS / 4})
    data = made(None)
    params = recipe.anchors[0]
    found = {}
    for name, given, fps in (("plain", tiny, None), ("chosen", recipe, None), ("forced", recipe, 2e5)):
        sweep = experiment(given, tmp_path, fps=fps)
        found[name] = design(sweep, params, data, 0).estimate()
    assert found["plain"].total["DSP"] == 0 and found["chosen"].total["DSP"] > 0 and found["forced"].total["DSP"] > 0
    assert FPS / 4 <= found["chosen"].fps < FPS <= found["plain"].fps
    assert found["chosen"].fps < 2e5 <= found["forced"].fps
    wrong = replace(recipe, hardware=lambda params: {"multiplier": "dsp"})
    with pytest.raises(BadRecipe, match=r"its hardware\(\) chooses 'multiplier'; give fps, clock_mhz, .*multipliers"):
        design(experiment(wrong, tmp_path), params, data, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"fps": "fast"}, {"fps": float("nan")}, {"fps": 0}, {"fps": True}, {"device": 7}, {"clock_mhz": -1.0},
        {"clock_mhz": None}, {"example": (0, 4, 4)}, {"example": (1.5, 4)}, {"example": 16}, {"objectives": 3},
        {"constraints": 3}, {"fixed": {"0": 2.5}}, {"fixed": [8]}, {"worst_score": "good"},
        {"space": [1]}, {"budget": None}, {"data": "made"}, {"network": TINY}, {"hardware": {}}, {"name": 3},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_in_a_recipe_is_named_before_anything_runs(change: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe, match=next(iter(change))) as raised:
        replace(tiny, **change)
    assert "\n" not in str(raised.value)


def test_a_cached_compilation_beside_a_file_is_not_run(tmp_path: Path) -> None:
    """Planted, or stale because the file was written twice within a second."""
    file = tmp_path / "planted.py"
    file.write_text("value = 'evil'")
    cached = Path(py_compile.compile(str(file), doraise=True))
    when = file.stat()
    file.write_text("value = 'good'")
    os.utime(file, (when.st_atime, when.st_mtime))
    assert cached.exists()
    assert load_object(f"{file}:value", {}) == "good"


def test_the_objective_may_be_called_score() -> None:
    assert replace(tiny, objectives=("score", "LUT")).objectives == ("accuracy", "LUT")
