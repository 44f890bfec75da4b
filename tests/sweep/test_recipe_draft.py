"""Recipes drafted from a float network and its data: the task by the targets, what enters, budgets, and one file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from hwcost.errors import BadOption, BadRecipe
from hwcost.graph.ranges import integers
from hwcost.quant import convert
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.headroom import Headroom
from hwcost.sweep.recipe import Recipe, load_object, load_recipe
from hwcost.sweep.recipe_draft import FILE, drafted, study_name
from hwcost.sweep.rehearsal import rehearse
from hwcost.sweep.settings import Settings
from hwcost.sweep.trial import design
from hwcost.train.ready_tasks import CLASSIFICATION, SEGMENTATION

NETWORKS = """
from torch import nn
def rows(outputs):
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, outputs))
def one(): return rows(1)
def three(): return rows(3)
def pixels(): return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
def two_outputs(): return nn.LSTM(6, 3)
"""
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 6))
WHOLE = RANDOM.integers(0, 16, (60, 6))
LABELS = np.arange(60)


@pytest.fixture(autouse=True)
def _networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    Path("floats.py").write_text(NETWORKS)


def draft(name: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...] | None = None, **settings: object) -> Recipe:
    """Draft a recipe, and load the file."""
    np.savez("d.npz", x=x, y=y)
    reference = f"floats.py:{name}"
    chosen = Settings(recipe=reference, out=Path("study"), data=Path("d.npz"), **settings)  # type: ignore[arg-type]
    where, fresh = drafted(load_object(reference, {}), chosen, shape)
    assert fresh and where == f"study/{FILE}:recipe"
    recipe = load_recipe(where, {})
    experiment = Experiment(recipe, chosen)
    rehearse(experiment, experiment.load())  # everything but the training
    return recipe


def test_labels_numbers_and_pixels_have_their_task() -> None:
    recipe = draft("three", WHOLE, LABELS % 3)
    assert recipe.task is CLASSIFICATION and (recipe.example, recipe.name) == ((6,), "three")
    assert recipe.input == integers(4, signed=False) or float(recipe.input.high) == 15
    assert [anchor["lut_headroom"] for anchor in recipe.anchors] == [1.0, 0.0]


def test_floats_enter_through_a_quantizer_and_their_targets_are_predicted() -> None:
    recipe = draft("one", X, X[:, 0])
    assert recipe.task.name == "RMSE" and not recipe.input.known
    net = recipe.network(recipe.anchors[0])
    assert list(dict(net.named_children())) == list(dict(recipe.float_network().named_children())) == ["enters", "net"]


def test_a_single_score_for_two_classes() -> None:
    recipe = draft("one", WHOLE, LABELS % 2, fps=50_000.0, device="ZCU104")
    assert (recipe.task.name, recipe.task.unit) == ("accuracy", "%")
    assert (recipe.fps, recipe.device) == (50_000, "ZCU104")


def test_more_scores_than_labels_and_labels_of_pixels() -> None:
    recipe = draft("three", WHOLE, LABELS % 2)
    data = recipe.data(None)
    assert data.classes == 3 and recipe.task is CLASSIFICATION
    Path("study", FILE).unlink()
    images = RANDOM.integers(0, 4, (60, 4, 4))
    assert draft("pixels", images, images % 2, shape=(1, 4, 4)).task is SEGMENTATION


def test_a_draft_is_kept_as_it_was_edited_and_refused_for_something_else(tmp_path: Path) -> None:
    draft("three", WHOLE, LABELS % 3)
    path = Path("study", FILE)
    path.write_text(path.read_text().replace("epochs=20", "epochs=2"))
    again = Settings(recipe=str(tmp_path / "floats.py:three"), out=Path("study"))
    assert drafted(load_object("floats.py:three", {}), again, None) == (f"{path}:recipe", False)
    assert load_recipe(f"{path}:recipe", {}).training.epochs == 2  # type: ignore[union-attr]
    for other, shape, said in (
        ("floats.py:one", None, "another network"),
        ("floats.py:three", (2, 3), "another input, 6"),
    ):
        with pytest.raises(BadOption, match=said):
            drafted(load_object(other, {}), Settings(recipe=other, out=Path("study")), shape)
    with pytest.raises(BadOption, match=r"another data, .*d\.npz, not .*e\.npz; give another --out, or sweep it as it"):
        drafted(
            load_object("floats.py:three", {}),
            Settings(recipe="floats.py:three", out=Path("study"), data=Path("e.npz")),
            None,
        )


@pytest.mark.parametrize(
    ("name", "y", "said"),
    [
        (
            "three",
            LABELS % 5,
            r"floats\.py:three: gives \(3,\) for a sample, but d has labels of 5 classes; give a network",
        ),
        ("three", X[:, 0], r"gives \(3,\) for a sample, but d has targets of \(1,\)"),
        ("two_outputs", LABELS % 3, r"returns a tuple; write a recipe"),
    ],
)
def test_a_network_that_does_not_fit_its_targets(name: str, y: np.ndarray, said: str) -> None:
    with pytest.raises(BadOption, match=said):
        draft(name, X, y)
    assert not Path("study").exists()


def test_what_is_no_float_network() -> None:
    settings = Settings(recipe="floats.py:three", out=Path("study"), data=Path("d.npz"))
    np.savez("d.npz", x=X, y=LABELS % 3)
    net = nn.Sequential(nn.Linear(6, 3))
    with pytest.raises(BadOption, match="one network, but each trial trains a fresh one; name its class"):
        drafted(net, settings, None)
    with pytest.raises(BadOption, match="it is quantized already; write a recipe"):
        drafted(lambda: convert(nn.Sequential(nn.Linear(6, 3)), "learned8"), settings, None)
    with pytest.raises(BadRecipe, match=r"with a batch of shape \(1, 6\), from the data or --input, failed"):
        drafted(lambda: nn.Linear(7, 3), settings, None)
    with pytest.raises(BadOption, match="a network, not a recipe; give its data set with --data"):
        drafted(lambda: net, Settings(recipe="floats.py:three", out=Path("study")), None)


def test_constants_are_drafted_with_the_same_budgets() -> None:
    recipe = draft("three", X, LABELS % 3, architecture="unrolled", ramp=2)
    assert recipe.budget(recipe.anchors[1]) == {"LUT": Headroom(0.0)}


def test_budgets_are_those_of_the_hardware_that_keeps_a_limit_on_speed() -> None:
    recipe = draft("three", WHOLE, LABELS % 3)
    most = []
    for limits in ({}, {"latency_us": 0.5}):
        settings = Settings(recipe="study/recipe.py:recipe", out=Path("study"), limits=limits)
        most.append(design(Experiment(recipe, settings), recipe.anchors[0], recipe.data(None), 0).limits["LUT"])
    assert most[1] > 1.5 * most[0]


def test_a_study_is_named_for_its_network() -> None:
    assert study_name("a/b.py:Net") == "net" and study_name("package.nets:make_net") == "make_net"
