"""A sweep with --bits: prices before training are those after it, limits hold, studies repeat and resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_recipe
from click.testing import CliRunner
from sweeps import experiment, run
from torch import nn

from hwcost.cli import cli
from hwcost.errors import BadOption, BadStudy
from hwcost.models import RESOURCES
from hwcost.quant import IntQuantizer, LearnedBits, QuantLinear, StatScale, abs_max
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.trial import priced_space
from hwcost.sweep.width_space import fix_widths, hold_widths

FOUR = IntQuantizer(bits=4, scale=StatScale(abs_max))
PLAIN = tiny_recipe.roomy


pytestmark = pytest.mark.usefixtures("undrawn")


def tiny(folder: Path, recipe: Recipe = PLAIN, **changes: Any) -> Experiment:
    return experiment(recipe, folder, **{"bits": (2, 6), **changes})


def rows(folder: Path) -> list[dict[str, Any]]:
    table = json.loads((folder / "trials.json").read_text())["trials"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table]


def test_every_trial_costs_what_was_known_before(tmp_path: Path) -> None:
    sweep = tiny(tmp_path)
    run(sweep, 5)
    prices = priced_space(sweep, sweep.load())
    assert prices is not None and prices.costs == {1: "LUT", 2: "BRAM18"}
    for row in rows(tmp_path):
        assert row["state"] == "COMPLETE" and row["params"].keys() == prices.space.keys()
        priced = prices.price({name: np.array([bits]) for name, bits in row["params"].items()})
        assert {name: row[name] for name in RESOURCES} == {name: float(priced[name][0]) for name in RESOURCES}
        learned = [bits for epoch in row["epochs"] for bits in epoch["widths"].values()]
        assert set(learned) <= set(row["params"].values())  # they stood still
    assert len({tuple(row["params"].values()) for row in rows(tmp_path)}) == 5


@pytest.mark.slow
def test_it_repeats_and_resumes(tmp_path: Path) -> None:
    run(tiny(tmp_path / "whole"), 6)
    for _ in range(2):
        run(tiny(tmp_path / "parts"), 3)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    recorded, again = reproduce(tmp_path / "whole", 5, lambda _: PLAIN, None)
    assert recorded == again


def test_nothing_beyond_a_limit_is_trained(tmp_path: Path) -> None:
    sweep = tiny(tmp_path / "free")
    run(sweep, 3)
    least, most = (pick(row["LUT"] for row in rows(tmp_path / "free")) for pick in (min, max))
    limit = (least + most) / 2
    run(tiny(tmp_path / "tied", limits={"LUT": limit}), 6)
    assert all(row["LUT"] <= limit and row["within_budget"] for row in rows(tmp_path / "tied"))
    with pytest.raises(BadOption, match="no candidate found that keeps"):
        run(tiny(tmp_path / "impossible", limits={"LUT": least / 2}), 1)
    assert not (tmp_path / "impossible").exists(), "something was trained for nothing"


def test_another_search_is_another_study(tmp_path: Path) -> None:
    run(tiny(tmp_path), 1)
    for changes, part in (
        ({"bits": (2, 5)}, "bits was '2:6', now '2:5'"),
        ({"bits": None}, "bits was '2:6', now absent"),
        ({"limits": {"LUT": 9e9}}, "budget was"),
        ({"sampler": "random"}, "sampler was 'greybox', now 'random'"),
    ):
        with pytest.raises(BadStudy, match=part):
            run(tiny(tmp_path, **changes), 1)


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_other_samplers_search_widths_too(tmp_path: Path, sampler: str) -> None:
    run(tiny(tmp_path, sampler=sampler), 2)
    assert all(2 <= bits <= 6 for row in rows(tmp_path) for bits in row["params"].values())


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"bits": None, "sampler": "greybox"}, "must know costs before training; give --bits"),
        ({"bits": None, "limits": {"LUT": 900.0}}, "the sampler tpe cannot keep them; give --bits"),
        ({"sampler": "tpe", "limits": {"LUT": 900.0}}, "the sampler tpe cannot keep them"),
        ({"limits": {"LUTs": 900.0}}, "limit LUTs=900: give any of LUT, FF"),
        ({"limits": {"LUT": float("nan")}}, "limit LUT=nan"),
        ({"bits": (6, 2)}, "bits 6:2: give the smallest and the largest"),
        ({"bits": (17, 20)}, "0.weight_quant.bits can be 2 to 16 bits"),
    ],
)
def test_bad_options(tmp_path: Path, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        run(tiny(tmp_path, **changes), 1)


def test_widths_are_set_and_stand() -> None:
    net = tiny_recipe.TinyNet(2)
    names = [name for name, module in net.named_modules() if isinstance(module, LearnedBits)]
    fix_widths(net, dict(zip(names, (3, 7, 4), strict=True)))
    widths = [module for module in net.modules() if isinstance(module, LearnedBits)]
    assert [int(width()) for width in widths] == [3, 7, 4]
    assert not any(width.offset.requires_grad for width in widths)
    with pytest.raises(BadOption, match=r"3\.weight: no learned width"):
        fix_widths(net, {"3.weight": 4})
    with pytest.raises(BadOption, match="1 bits; it can be 2 to 16"):
        fix_widths(net, {names[0]: 1})


def test_a_network_of_constant_widths_has_nothing_to_search(tmp_path: Path) -> None:
    constant = replace(PLAIN, network=lambda params: nn.Sequential(nn.Flatten(), QuantLinear(16, 3, weight_quant=FOUR)))
    with pytest.raises(BadOption, match="no learned width to search"):
        run(tiny(tmp_path, recipe=constant), 1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--bits", "8"], "give the smallest and the largest width"),
        (["--bits", "2:8", "--limit", "LUT<3"], "give FIGURE=BOUND"),
    ],
)
def test_the_command_refuses_what_it_cannot_read(arguments: list[str], part: str) -> None:
    result = CliRunner().invoke(cli, ["sweep", "digits", *arguments])
    assert result.exit_code == 2 and part in result.output


FIRST_AND_LAST = {"0": 6, "5.weight_quant": 5}


def test_a_fixed_part_keeps_its_widths_whatever_is_searched(tmp_path: Path) -> None:
    recipe = replace(PLAIN, fixed=FIRST_AND_LAST)
    run(tiny(tmp_path / "bits", recipe), 3)
    run(experiment(recipe, tmp_path / "budgets"), 2)
    for folder in ("bits", "budgets"):
        found = rows(tmp_path / folder)
        assert all(row["params"].keys() <= {"2.quant.bits", "base", "lut_budget"} for row in found)
        for row in found:
            widths = {layer["layer"]: layer["weight_bits"] for layer in row["layers"] if layer["weight_bits"]}
            assert widths == {"0": 6, "5": 5}
    assert {row["params"]["2.quant.bits"] for row in rows(tmp_path / "bits")} > {2}
    with pytest.raises(BadStudy, match="fixed was"):
        run(tiny(tmp_path / "bits", PLAIN), 1)


@pytest.mark.parametrize(
    ("fixed", "part"),
    [({"conv*": 8}, r"fixed 'conv\*': no learned width of that name; there are 0.weight_quant.bits, 2"),
     ({"*": 17}, "fixed 0.weight_quant.bits: 17 bits; it can be 2 to 16"), ({"0": 1}, "it can be 2 to 16")],
)  # fmt: skip
def test_a_fixed_part_that_cannot_be(fixed: dict[str, int], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        hold_widths(tiny_recipe.TinyNet(2), fixed)


def test_the_last_pattern_that_a_width_matches_counts() -> None:
    net = tiny_recipe.TinyNet(2)
    hold_widths(net, {"*": 4, "0": 8, "2.qu?nt": 3})
    assert [int(one()) for one in net.modules() if isinstance(one, LearnedBits)] == [8, 3, 4]
    assert not any(one.offset.requires_grad for one in net.modules() if isinstance(one, LearnedBits))


def test_constraints_between_widths_are_kept_before_training(tmp_path: Path) -> None:
    first, last = "0.weight_quant.bits", "5.weight_quant.bits"
    recipe = replace(PLAIN, constraints=lambda widths: {"last": widths[first] - widths[last] + 2})
    run(tiny(tmp_path, recipe), 4)
    assert all(row["params"][first] + 2 <= row["params"][last] for row in rows(tmp_path))
    with pytest.raises(BadOption, match="no candidate found that keeps"):
        run(tiny(tmp_path / "none", replace(PLAIN, constraints=lambda widths: 1)), 1)
