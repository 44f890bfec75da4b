"""Warm starts: weights are taken over and widths are not, each trial names its parent, and comes out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import pytest
import tiny_recipe
import torch
from sweeps import experiment, run

from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadOption, BadRecipe, BadStudy
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.study_files import read_run, read_trials, save_net
from hwcost.sweep.warm_start import start_from
from hwcost.sweep.width_space import fix_widths


def test_weights_and_scales_are_taken_over_and_widths_are_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other, net = tiny_recipe.TinyNet(2), tiny_recipe.TinyNet(2)
    names = list(learned_widths(other))
    fix_widths(other, dict.fromkeys(names, 3))
    fix_widths(net, dict.fromkeys(names, 5))
    save_net(other, tmp_path / "other.pt")
    start_from(net, tmp_path / "other.pt", None)
    assert {int(width()) for width in learned_widths(net).values()} == {5}
    widths = {f"{name}.offset" for name in names}
    theirs = other.state_dict()
    for name, tensor in net.state_dict().items():
        assert name in widths or torch.equal(tensor, theirs[name]), name


def test_from_a_float_network_the_scales_of_weights_start_anew(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, net = tiny_recipe.TinyNet(None), tiny_recipe.TinyNet(2)
    with torch.no_grad():
        plain[0].weight.mul_(7)
    save_net(plain, tmp_path / "float.pt")
    start_from(net, tmp_path / "float.pt", None)
    assert torch.equal(net[0].weight, plain[0].weight)
    largest = plain[0].weight.abs().amax((1, 2, 3))
    torch.testing.assert_close(net[0].weight_quant.scale(net[0].weight).reshape(-1), largest)


def test_another_network_or_a_broken_file_is_one_error(tmp_path: Path) -> None:
    net = tiny_recipe.TinyNet(2)
    save_net(torch.nn.Linear(3, 2), tmp_path / "linear.pt")
    with pytest.raises(BadStudy, match=r"linear\.pt: .*the same layers"):
        start_from(net, tmp_path / "linear.pt", None)
    (tmp_path / "broken.pt").write_bytes(b"x")
    with pytest.raises(BadStudy, match=r"broken\.pt: cannot be read"):
        start_from(net, tmp_path / "broken.pt", None)


def sweep(folder: Path, recipe: Recipe = tiny_recipe.recipe, **changes: Any) -> Experiment:
    where = f"{Path(tiny_recipe.__file__)}:recipe"
    return experiment(recipe, folder, **{"recipe": where, "bits": (2, 5), "warm": 2, **changes})


@pytest.mark.slow
def test_a_study_of_warm_trials_is_the_same_twice_and_each_comes_out_again(tmp_path: Path) -> None:
    tables: list[pd.DataFrame] = []
    for name in ("one", "two"):
        assert run(sweep(tmp_path / name), 3).finished == 3
        run(sweep(tmp_path / name), 1)
        tables.append(read_trials(tmp_path / name).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    assert read_run(tmp_path / "one")["warm"] == 2
    assert all(len(epochs) == 2 for epochs in tables[0]["epochs"])
    parents = tables[0]["parent"]
    assert parents.notna().any() and all(
        parent < number for number, parent in zip(tables[0]["number"], parents, strict=True) if parent == parent
    )
    for number in tables[0]["number"]:
        recorded, again = reproduce(tmp_path / "one", int(number), lambda _: tiny_recipe.recipe, None)
        assert recorded == again
    with pytest.raises(BadStudy, match="warm"):
        run(sweep(tmp_path / "one", warm=3), 1)


@pytest.mark.slow
def test_the_coarser_a_trial_is_than_its_start_the_longer_it_trains_and_it_comes_out_again(tmp_path: Path) -> None:
    recipe = tiny_recipe.roomy
    plan = sweep(tmp_path / "study", recipe=recipe)
    run(plan, 4)
    table = read_trials(plan.settings.out).set_index("number", drop=False)
    assert plan.settings.warm == 2 and plan.settings.bits is not None
    for number, row in table.iterrows():
        start = dict.fromkeys(row["params"], plan.settings.bits[1]) if row["parent"] != row["parent"] else None
        start = start or table.loc[int(row["parent"])]["params"]
        coarser = [max(0.0, 2.0**-bits - 2.0 ** -start[name]) for name, bits in row["params"].items()]
        assert len(row["epochs"]) == round(2 * (1 + 10 * mean(coarser)))
        recorded, again = reproduce(plan.settings.out, int(str(number)), lambda _: recipe, None)
        assert recorded == again
    assert {len(epochs) for epochs in table["epochs"]} > {2}, "the widest is near the float network, the narrowest far"


def test_warm_starts_are_for_fixed_widths(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="warm needs bits"):
        sweep(tmp_path, bits=None)
    with pytest.raises(BadOption, match="warm=0"):
        sweep(tmp_path, warm=0)


def test_a_float_network_of_other_layers_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    recipe = replace(
        tiny_recipe.recipe, float_network=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    )
    with pytest.raises(BadRecipe, match=r"--warm starts from the float network: 0\.weight is \(4, 1, 3, 3\) .*plain="):
        run(replace(sweep(tmp_path / "study"), recipe=recipe), 1)
    assert not (tmp_path / "study").exists()
