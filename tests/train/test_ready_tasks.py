"""Other tasks than labels: an autoencoder is trained without them, and judged by how it tells strange from normal."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from page_words import shown
from sweeps import experiment, run

from hwcost.errors import BadData, BadOption, BadRecipe
from hwcost.sweep.recipe import Params, Recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.study_files import read_json, read_run, read_trials
from hwcost.train.data import Data, Split
from hwcost.train.loop import Training, evaluate, fit
from hwcost.train.ready_tasks import (
    CLASSIFICATION,
    MULTILABEL,
    RECONSTRUCTION,
    SEGMENTATION,
    efficiency,
    regression,
    separation,
)
from hwcost.train.task import Task
from hwcost.zoo.autoencoder import FEATURES, Autoencoder, recipe
from hwcost.zoo.data import anomalies, digits
from hwcost.zoo.precision import Precision


def sounds(path: Path, features: int = FEATURES, **changes: Any) -> Path:
    """Normal sounds have three causes, strange ones more noise."""
    draw = np.random.default_rng(0)
    mixing = draw.normal(size=(3, features)).astype(np.float32)

    def made(count: int, noise: float) -> np.ndarray[Any, Any]:
        plain = draw.normal(size=(count, 3)) @ mixing
        return (plain + noise * draw.normal(size=(count, features))).astype(np.float32)

    arrays = {
        "X_train": 5 + 3 * made(192, 0.1),
        "y_train": np.zeros(192, dtype=np.int64),
        "X_test": 5 + 3 * np.concatenate([made(40, 0.1), made(20, 0.6)]),
        "y_test": np.repeat([0, 1], [40, 20]),
    }
    np.savez(path, **arrays | changes)
    return path


def test_separation_is_brute_force_with_ties() -> None:
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        strange, normal = torch.randint(0, 9, (17,), generator=draw), torch.randint(0, 7, (23,), generator=draw)
        above = (strange[:, None] > normal).double() + (strange[:, None] == normal).double() / 2
        assert separation(strange, normal) == pytest.approx(float(above.mean()), abs=1e-12)


def test_the_data_hold_nothing_strange_to_train_on(tmp_path: Path) -> None:
    data = anomalies(sounds(tmp_path / "sounds.npz"))
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (192, 30, 30, 2)
    assert not data.train.y.any() and int(data.validation.y.sum()) == int(data.test.y.sum()) == 10
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(FEATURES), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.x.std(0, correction=0), torch.ones(FEATURES), atol=1e-5, rtol=0)
    kept = {tuple(row) for row in data.validation.x.tolist()} & {tuple(row) for row in data.test.x.tolist()}
    assert not kept


def test_what_is_chosen_trains_on_the_normal_samples_of_the_validation_split_too(tmp_path: Path) -> None:
    data = anomalies(sounds(tmp_path / "sounds.npz"))
    more = data.all_but_test()
    normal = data.validation.y == 0
    assert 0 < int(normal.sum()) < len(data.validation)
    assert torch.equal(more.train.x, torch.cat([data.train.x, data.validation.x[normal]])) and not more.train.y.any()
    assert more.validation is data.validation and more.test is data.test
    images = digits()
    assert len(images.all_but_test().train) == len(images.train) + len(images.validation)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"y_train": np.arange(192) % 2}, "y_train has label 1; train on normal samples"),
        ({"y_test": np.zeros(60, dtype=np.int64)}, r"y_test has labels \[0\]; give at least two each"),
        ({"y_test": np.arange(60) % 3}, r"labels \[0, 1, 2\]"),
        ({"X_test": np.zeros((60, 3), dtype=np.float32)}, r"shape \(640,\) in X_train, \(3,\) in X_test"),
        ({"X_test": np.full((60, FEATURES), np.nan)}, "finite floats"),
        ({"X_train": np.zeros((192, FEATURES), dtype=np.uint8)}, "X_train is uint8"),
    ],
)
def test_bad_sounds(tmp_path: Path, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadData, match=part):
        anomalies(sounds(tmp_path / "sounds.npz", **changes))
    with pytest.raises(BadOption, match="validation=1"):
        anomalies(tmp_path / "sounds.npz", validation=1)


def test_an_autoencoder_learns_to_tell_them_apart(tmp_path: Path) -> None:
    data = anomalies(sounds(tmp_path / "sounds.npz", features=24))
    torch.manual_seed(0)
    net = Autoencoder(None, features=24)
    epochs = fit(net, data, Training(epochs=12, batch=32, lr=3e-3), seed=0, task=RECONSTRUCTION)
    assert epochs[-1].loss < epochs[0].loss
    assert evaluate(net, data.test, task=RECONSTRUCTION) > 0.8


def _network(params: Params) -> Autoencoder:
    return Autoencoder(Precision(params["weight_base"], params["activation_base"], learned=True), features=24)


def _small(path: Path) -> Recipe:
    return replace(
        recipe,
        float_network=lambda: Autoencoder(None, features=24),
        network=_network,
        data=lambda _: anomalies(path),
        training=Training(epochs=3, batch=64, lr=3e-3),
        example=(24,),
    )


@pytest.mark.slow
def test_a_sweep_of_it_says_what_its_score_is_and_comes_out_again(tmp_path: Path) -> None:
    small = _small(sounds(tmp_path / "sounds.npz", features=24))
    sweep = experiment(small, tmp_path / "study")
    assert run(sweep, 2).finished == 2
    record = read_run(tmp_path / "study")
    assert record["score"] == RECONSTRUCTION.record() and record["fingerprint"]["task"] == "area under ROC"
    page = (tmp_path / "study" / "index.html").read_text(encoding="utf-8")
    assert "area under ROC" in shown(page) and "accuracy" not in shown(page)
    assert 0 < read_json(tmp_path / "study" / "float.json")["test"] <= 1
    assert read_trials(tmp_path / "study")["accuracy"].between(0, 1).all()
    recorded, again = reproduce(tmp_path / "study", 1, lambda _: small, None)
    assert recorded == again


def test_a_network_of_another_shape_is_refused_before_training(tmp_path: Path) -> None:
    labels = replace(_small(sounds(tmp_path / "sounds.npz", features=24)), task=CLASSIFICATION)
    with pytest.raises(BadRecipe, match=r"gives \(24,\) for a sample; accuracy on sounds, of 2 classes, needs \(2,\)"):
        run(experiment(labels, tmp_path / "study"), 1)
    assert not (tmp_path / "study").exists()


class _Given(torch.nn.Module):
    """A network whose outputs are its inputs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _judged(task: Task, out: torch.Tensor, y: torch.Tensor) -> float:
    """The score by batches of 7, as a sweep computes it."""
    assert torch.isfinite(task.loss(out, out, y))
    split = Split(out, y)
    classes = 4 if task is SEGMENTATION else None
    data = Data(name="d", train=split, validation=split, test=split, classes=classes)
    assert task.outputs is not None and task.outputs(data) == tuple(out.shape[1:])
    return evaluate(_Given(), split, batch=7, task=task)


def test_regression_is_its_formula() -> None:
    y, out = torch.rand(30, 3), torch.rand(30, 3)
    assert _judged(regression("RMSE"), out, y) == pytest.approx(float(((out - y) ** 2).mean().sqrt()))
    assert _judged(regression("MAE"), out, y) == pytest.approx(float((out - y).abs().mean()))
    r2 = 1 - float(((out - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())
    assert _judged(regression("R2"), out, y) == pytest.approx(r2, abs=1e-5)
    assert _judged(regression(), out[:, :1], y[:, 0]) == pytest.approx(
        float(((out[:, 0] - y[:, 0]) ** 2).mean().sqrt())
    )
    assert [regression(name).direction for name in ("RMSE", "MAE", "R2")] == ["minimize", "minimize", "maximize"]
    with pytest.raises(BadOption, match="metric 'MSE'; give one of RMSE, MAE, R2"):
        regression("MSE")


def test_segmentation_is_brute_force() -> None:
    out, y = torch.randn(20, 4, 3, 5), torch.randint(0, 3, (20, 3, 5))
    found = out.argmax(1)
    found[found == 3] = 2
    out = torch.nn.functional.one_hot(found, 4).movedim(-1, 1).float()  # label 3 neither occurs nor is found
    ratios = [float(((found == k) & (y == k)).sum() / ((found == k) | (y == k)).sum()) for k in range(3)]
    assert _judged(SEGMENTATION, out, y) == pytest.approx(sum(ratios) / 3)


def test_average_precision_is_brute_force() -> None:
    out, y = torch.randn(40, 4), torch.randint(0, 2, (40, 4))
    y[:, 3] = 0  # does not occur
    each = []
    for label in range(3):
        order = out[:, label].argsort(descending=True)
        hits = y[order, label].double()
        each.append(float((hits * hits.cumsum(0) / torch.arange(1, 41)).sum() / hits.sum()))
    assert _judged(MULTILABEL, out, y) == pytest.approx(sum(each) / 3)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_efficiency_is_brute_force(rate: float) -> None:
    out, y = torch.randn(300, 1).round(decimals=1), torch.randint(0, 2, (300, 1))
    signal, noise = out[y == 1], out[y == 0]
    shares = [float((signal > t).double().mean()) for t in out.flatten() if float((noise > t).double().mean()) <= rate]
    assert _judged(efficiency(rate), out, y) == pytest.approx(max(shares))


@pytest.mark.parametrize("label", [0, 1])
def test_efficiency_of_one_kind_alone_is_no_number(label: int) -> None:
    """The float network of a study then ends the call, with the remedy."""
    assert isnan(_judged(efficiency(0.1), torch.rand(5, 1), torch.full((5, 1), float(label))))
