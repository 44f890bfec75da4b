"""The float network of a study: trained once, or given; measured on test data once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe
import torch
from sweeps import experiment

from hwcost.errors import BadRecipe, BadStudy
from hwcost.sweep.float_baseline import FLOAT, float_baseline, float_checkpoint, measure_baseline_on_test
from hwcost.train.loop import Training
from hwcost.train.ready_tasks import CLASSIFICATION

QUICK = replace(tiny_recipe.recipe, training=Training(epochs=1, batch=16))


def test_it_is_trained_once_and_tested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, epochs = experiment(QUICK, tmp_path), list[int]()
    data = sweep.load()
    first = float_baseline(sweep, data, lambda epoch: epochs.append(epoch.epoch))
    assert epochs == [1] and set(first) == {"validation"} and 0 <= first["validation"] <= 1
    assert float_baseline(sweep, data, lambda epoch: epochs.append(epoch.epoch)) == first and epochs == [1]
    record = json.loads((tmp_path / FLOAT).read_text())
    assert float_checkpoint(tmp_path) == record["checkpoint"]
    tested = measure_baseline_on_test(sweep, data)
    assert tested.keys() == {"validation", "test"} and 0 <= tested["test"] <= 1
    monkeypatch.setattr("hwcost.sweep.float_baseline.evaluate", lambda *args, **kwargs: pytest.fail("measured again"))
    assert measure_baseline_on_test(sweep, data) == tested


def test_given_weights_are_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwcost.sweep.float_baseline.trained", lambda *args: pytest.fail("it was trained"))
    torch.manual_seed(1)
    state = tiny_recipe.TinyNet(None).state_dict()
    sweep = experiment(replace(QUICK, pretrained=lambda: state), tmp_path)
    found = float_baseline(sweep, sweep.load())
    assert found["given"] is True and measure_baseline_on_test(sweep, sweep.load())["given"] is True
    kept = torch.load(tmp_path / "checkpoints" / "float.pt", weights_only=True)
    assert all(torch.equal(kept[name], tensor) for name, tensor in state.items())


def test_a_score_that_is_no_number_ends_before_anything_is_written(tmp_path: Path) -> None:
    task = replace(CLASSIFICATION, score=lambda right, y: float("inf"))
    sweep = experiment(replace(QUICK, task=task), tmp_path)
    with pytest.raises(BadRecipe, match="the accuracy of its float network on validation data is inf; mend"):
        float_baseline(sweep, sweep.load())
    assert not (tmp_path / FLOAT).exists() and float_checkpoint(tmp_path) is None


def test_a_score_that_fails_on_test_data_ends_before_the_search(tmp_path: Path) -> None:
    samples = len(tiny_recipe.made(None).test)
    task = replace(CLASSIFICATION, score=lambda right, y: float("nan") if len(y) == samples else 0.5)
    sweep = experiment(replace(QUICK, task=task), tmp_path)
    with pytest.raises(BadRecipe, match="the accuracy of its float network on test data is nan; mend"):
        float_baseline(sweep, sweep.load())


def test_a_score_in_percent_is_a_ratio(tmp_path: Path) -> None:
    task = replace(CLASSIFICATION, name="hit rate", score=lambda right, y: 97.5)
    sweep = experiment(replace(QUICK, task=task), tmp_path)
    with pytest.raises(BadRecipe, match=r"hit rate .* is 97\.5, which unit='%' shows as 9750 %; return a ratio"):
        float_baseline(sweep, sweep.load())
    assert not (tmp_path / FLOAT).exists()


def test_a_garbled_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / FLOAT).write_text('{"validation": "high"}')
    with pytest.raises(BadStudy, match=r"float\.json: garbled .*; restore it, or start a study in another folder"):
        float_baseline(experiment(QUICK, tmp_path), tiny_recipe.made(None))
