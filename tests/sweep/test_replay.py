"""Trials of a study by their record: the best of its front, and records that cannot be repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from made_up_study import made_up_run
from sweeps import experiment, run

from hwcost.errors import BadStudy
from hwcost.sweep.replay import best, recall, reproduce
from hwcost.sweep.study_files import read_json, read_trials, write_json


def trial(number: int, accuracy: float, lut: float, state: str = "COMPLETE") -> dict[str, Any]:
    return {
        "number": number, "state": state, "seed": number, "params": {"base": 2}, "accuracy": accuracy, "LUT": lut,
        "BRAM18": 1.0, "layers": [], "epochs": [],
    }  # fmt: skip


def written(folder: Path, *trials: dict[str, Any], **changes: Any) -> Path:
    run = made_up_run(**changes)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "trials.json").write_text(json.dumps({"trials": list(trials)}))
    return folder


FRONT = (trial(0, 0.95, 10_000.0), trial(1, 0.93, 1_000.0), trial(2, 0.6, 900.0), trial(3, 0.5, 5_000.0))


def test_the_knee_comes_first_then_the_best_score(tmp_path: Path) -> None:
    folder = written(tmp_path, *FRONT)
    assert best(folder, 9) == [1, 0, 2] and best(folder, 1) == [1]


def test_without_a_finished_trial_there_is_no_best(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="no trial finished; call `hwcost sweep` again to add some"):
        best(written(tmp_path, trial(0, 0.5, 1.0, "RUNNING") | {"accuracy": None, "LUT": None}), 1)


@pytest.mark.parametrize("call", [reproduce, recall])
def test_a_trial_that_is_not_there_and_a_record_that_lacks_something(tmp_path: Path, call: Any) -> None:
    folder = written(tmp_path, *FRONT, settings={"recipe": "tiny"})
    with pytest.raises(BadStudy, match=r"no trial 7 that finished; trials\.csv lists what there is"):
        call(folder, 7, lambda _: tiny_recipe.recipe, None)
    with pytest.raises(BadStudy, match="its record lacks or garbles 'fingerprint'; call `hwcost sweep` again"):
        call(folder, 1, lambda _: tiny_recipe.recipe, None)


def test_a_study_of_many_machines_is_looked_at_by_later_versions(tmp_path: Path, undrawn: None) -> None:
    run(experiment(tiny_recipe.recipe, tmp_path), 1)
    record = read_json(tmp_path / "run.json")
    record["fingerprint"]["code"] = "that of another version, torch 1.0"
    write_json(tmp_path / "run.json", record)
    found = recall(tmp_path, 0, lambda _: tiny_recipe.recipe, None)
    assert found.estimate().total["LUT"] == read_trials(tmp_path)["LUT"][0]


def test_another_recipe_than_the_recorded_one_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, *FRONT, settings={"recipe": "tiny"}, fingerprint={"recipe": "other", "odd": 3})
    with pytest.raises(BadStudy, match=r"(recipe|odd).* changed since the study; its trials cannot be repeated"):
        reproduce(folder, 1, lambda _: tiny_recipe.recipe, None)
