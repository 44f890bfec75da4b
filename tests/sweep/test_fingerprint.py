"""Fingerprints: which changes are another study, and a study of version 1 that is resumed."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from optuna.distributions import FloatDistribution, IntDistribution
from sweeps import experiment, run
from torch import nn

import hwcost.sweep.fingerprint
from hwcost.errors import BadStudy
from hwcost.sweep.fingerprint import VERSION, fingerprint_of
from hwcost.sweep.recipe import Params, Recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.study_files import read_run, read_trials
from hwcost.train.loop import Training

pytestmark = pytest.mark.usefixtures("undrawn")

FIRST = Path(__file__).parents[1] / "data" / "first_version.tar.xz"
"""Two studies that version 1 made: `--trials 3`, and `--trials 2 --bits 2:6 --warm 2 --ramp 3 --limit LUT=600`."""

RECIPE = replace(
    tiny_recipe.recipe,
    name="first-version",
    space={"base": IntDistribution(2, 5), "lut_budget": FloatDistribution(380.0, 650.0, log=True)},
    anchors=({"base": 5, "lut_budget": 650.0}, {"base": 2, "lut_budget": 380.0}),
    plain={"base": 2, "lut_budget": 380.0},
)
BITS: dict[str, Any] = {"bits": (2, 6), "warm": 2, "ramp": 3, "limits": {"LUT": 600.0}}
FOURTH = {
    "tpe": ({"base": 5, "lut_budget": 434.6197454706001}, 2613022947),
    "bits": ({"0.weight_quant.bits": 3, "2.quant.bits": 3, "5.weight_quant.bits": 4}, 2613022947),
}
"""Parameters and seed of the trial that version 1 added next."""


@pytest.fixture
def first(tmp_path: Path) -> Path:
    with tarfile.open(FIRST) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.mark.parametrize(("name", "settings"), [("tpe", {}), ("bits", BITS)])
def test_a_study_of_version_1_is_resumed(first: Path, name: str, settings: dict[str, Any]) -> None:
    before = read_trials(first / name)
    run(experiment(RECIPE, first / name, **settings), 1)
    after = read_trials(first / name)
    assert len(after) == len(before) + 1 == 4 and set(after["state"]) == {"COMPLETE"}
    kept = ["number", "params", "seed", "accuracy", "LUT", "BRAM18"]
    assert after[kept][:-1].to_dict("records") == before[kept].to_dict("records")
    params: Any
    params, seed = FOURTH[name]
    assert (after["seed"].iloc[-1], after["params"].iloc[-1].keys()) == (seed, params.keys())
    if name == "tpe":  # a random one: no price has a say
        assert after["params"].iloc[-1] == params
    assert read_run(first / name)["fingerprint"]["fingerprint_version"] == VERSION


def test_a_trial_of_version_1_is_repeated(first: Path) -> None:
    recorded, again = reproduce(first / "tpe", 2, lambda _: RECIPE, None)
    assert recorded["accuracy"] == again["accuracy"]


class _Louder(tiny_recipe.TinyNet):
    """The same network, printed otherwise."""

    def extra_repr(self) -> str:
        return "loud=True"


_Louder.__name__ = "TinyNet"


def _wider(params: Params) -> nn.Module:
    return tiny_recipe.TinyNet(params["base"] + 1)


def _padded(params: Params) -> nn.Module:
    net = tiny_recipe.TinyNet(params["base"])
    net[3] = nn.MaxPool2d(2, ceil_mode=True)
    return net


def _dropping(params: Params) -> nn.Module:
    net = tiny_recipe.TinyNet(params["base"])
    net[4] = nn.Sequential(nn.Dropout(0.1), nn.Flatten())
    return net


@dataclass(frozen=True, kw_only=True)
class _Longer(Training):
    """Training with a field that later versions may have."""

    patience: int = 3


CHANGES: list[tuple[str, Callable[[Recipe], Recipe], str | None]] = [
    ("printed", lambda r: replace(r, network=lambda p: _Louder(p["base"])), None),  # version 1 recorded no code
    ("field", lambda r: replace(r, training=_Longer(**vars(r.training))), None),
    ("epochs", lambda r: replace(r, training=Training(**{**vars(r.training), "epochs": 7})), "training was"),
    ("other field", lambda r: replace(r, training=_Longer(**vars(r.training), patience=4)), "training was"),
    ("widths", lambda r: replace(r, network=_wider), "network was"),
    ("pooling", lambda r: replace(r, network=_padded), "network was"),
    ("layers", lambda r: replace(r, network=_dropping), "network was"),
    ("budget", lambda r: replace(r, budget=lambda p: {"LUT": 2 * p["lut_budget"]}), "budget was"),
]


@pytest.mark.parametrize(("change", "part"), [entry[1:] for entry in CHANGES], ids=[entry[0] for entry in CHANGES])
@pytest.mark.parametrize("version", [1, 2])
def test_which_changes_are_another_study(
    first: Path, monkeypatch: pytest.MonkeyPatch, version: int, change: Callable[[Recipe], Recipe], part: str | None
) -> None:
    folder = first / "tpe"
    if version == 2:
        folder = first / "new"
        run(experiment(RECIPE, folder), 1)
        part = "code of network was" if change is CHANGES[0][1] else part
    monkeypatch.setattr(hwcost.sweep.fingerprint, "Training", _Longer)
    changed = experiment(change(RECIPE), folder)
    if part is None:
        run(changed, 1)
    else:
        with pytest.raises(BadStudy, match=part):
            run(changed, 1)


def test_the_settings_of_a_call_or_a_machine_are_no_part_of_it(tmp_path: Path) -> None:
    one = experiment(RECIPE, tmp_path)
    other = experiment(RECIPE, tmp_path / "there", recipe="elsewhere.py:recipe", trials=3, jobs=2, watch=True)
    data = one.load()
    assert fingerprint_of(one, data).entries == fingerprint_of(other, data).entries
    shared = fingerprint_of(one, data, shared=True).entries
    assert shared.keys() - fingerprint_of(one, data).entries.keys() == {"code"}


def test_the_default_training_is_written_out() -> None:
    entries = fingerprint_of(experiment(RECIPE, Path("x")), RECIPE.data(None)).entries
    assert json.loads(str(entries["training"])).keys() == {field.name for field in fields(Training)}
