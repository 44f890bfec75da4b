"""Searches over floors of widths: every network of the zoo gets those that were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from torch import nn

import hwcost
from hwcost.cli.network import RECIPES
from hwcost.errors import BadData
from hwcost.quant import LearnedBits
from hwcost.sweep.headroom import Headroom
from hwcost.sweep.recipe import load_recipe
from hwcost.zoo.floors import HIGHEST, LEAST, floors, from_path
from hwcost.zoo.precision import Precision


@pytest.mark.parametrize("name", sorted({*RECIPES} - {"digits", "letter"}))
def test_a_recipe_says_what_data_it_wants(name: str) -> None:
    with pytest.raises(hwcost.HwcostError, match=f"{name}: no data; give --data with"):
        load_recipe(name, RECIPES).data(None)


def test_floors_are_those_that_were_asked_for() -> None:
    net = load_recipe("lenet", RECIPES).network({"weight_base": 3, "activation_base": 5, "lut_headroom": 1.0})
    floors = {name: module.base for name, module in net.named_modules() if isinstance(module, LearnedBits)}
    assert floors["conv1.weight_quant.bits"] == 3 and floors["relu1.quant.bits"] == 5


def test_a_search_builds_learned_widths_above_its_floors_within_a_budget() -> None:
    built: list[Precision | None] = []

    def network(precision: Precision | None) -> nn.Module:
        built.append(precision)
        return nn.Identity()

    found = floors(network)
    found["network"]({"weight_base": 3, "activation_base": 4, "lut_headroom": 0.3})
    found["float_network"]()
    assert built == [Precision(3, 4, learned=True), None]
    assert found["budget"]({"lut_headroom": 0.3}) == {"LUT": Headroom(0.3)}
    assert found["space"]["weight_base"] == IntDistribution(LEAST, HIGHEST)
    assert found["space"]["lut_headroom"] == FloatDistribution(0, 0.5)
    assert [anchor["lut_headroom"] for anchor in found["anchors"]] == [0.5, 0.0, 0.25]
    assert all(params.keys() == found["space"].keys() for params in (*found["anchors"], found["plain"]))
    found["network"](found["plain"])
    assert built[-1] == Precision(2, 1, learned=True)


def test_a_path_is_loaded_and_its_absence_says_what_to_give() -> None:
    load = from_path("mine", "an npz file", lambda path: path.name)  # type: ignore[arg-type, return-value] # of data
    assert load(Path("folder/set.npz")) == "set.npz"  # type: ignore[comparison-overlap]
    with pytest.raises(BadData, match="mine: no data; give --data with an npz file"):
        load(None)
