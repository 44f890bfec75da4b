"""`finish` on an existing study: nothing but what was asked for, from the folder alone, in a database too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from sweeps import experiment, run

from hwcost.errors import BadOption, BadStudy
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finish import finish
from hwcost.sweep.study_files import checkpoint, read_json, read_run, read_settings, read_trials

pytestmark = pytest.mark.usefixtures("undrawn")


def made(folder: Path, trials: int = 2, **settings: Any) -> Path:
    run(experiment(tiny_recipe.roomy, folder, **{"bits": (2, 5), "warm": 1, "fps": 3e5, **settings}), trials)
    return folder


def found(folder: Path, **given: Any) -> Experiment:
    return Experiment.find(read_settings(folder, **given), lambda _: tiny_recipe.roomy)


def test_it_works_on_the_folder_alone_and_adds_no_trial(tmp_path: Path) -> None:
    folder = made(tmp_path / "made").rename(tmp_path / "moved")
    before, record = read_trials(folder), read_run(folder)
    ended = finish(found(folder), repeat=1, refit=1)
    assert (ended.finished, ended.interrupted) == (2, False)
    after = read_trials(folder)
    assert after["params"].tolist() == before["params"].tolist()
    front = set(read_json(folder / "test.json"))
    assert set(read_json(folder / "repeats.json")) == front
    assert set(read_json(folder / "refit.json")) == front
    assert read_run(folder) == record  # it was made by `hwcost sweep`, and still says so


def test_polish_adds_the_trials_of_its_rounds(tmp_path: Path) -> None:
    folder = made(tmp_path / "study")
    front = len(read_json(folder / "test.json"))
    finish(found(folder), polish=1)
    rows = read_trials(folder)
    assert len(rows) == 2 + front and rows["polish"].notna().sum() == front


def test_it_works_in_a_database(tmp_path: Path) -> None:
    shared = {"storage": f"sqlite:///{tmp_path}/shared.db", "artifacts": str(tmp_path / "weights")}
    folder = made(tmp_path / "study", **shared)
    for file in (folder / "checkpoints").glob("trial-*"):
        file.unlink()  # they are fetched
    assert finish(found(folder), refit=1).finished == 2
    assert len(read_json(folder / "refit.json")) == len(read_json(folder / "test.json"))


def test_what_cannot_be_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="no study there"):
        read_settings(tmp_path)
    folder = made(tmp_path / "cold", warm=None)
    before = read_trials(folder)
    for amounts, part in (({}, "nothing to do"), ({"refit": -1}, "refit=-1"), ({"polish": 1}, "a study with --warm")):
        with pytest.raises(BadOption, match=part):
            finish(found(folder), **amounts)
    assert len(read_trials(folder)) == len(before)


def test_weights_that_nothing_needs_are_missed_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, undrawn: None
) -> None:
    folder = made(tmp_path / "study", trials=2, warm=None)
    assert "gone" not in caplog.text
    checkpoint(folder, 1).unlink()
    checkpoint(folder, None).unlink()
    finish(found(folder), repeat=1)
    assert "the weights float.pt, trial-0001.pt are gone" in caplog.text


@pytest.mark.parametrize("entry", ["device", "settings"])
def test_a_garbled_record_is_refused(tmp_path: Path, entry: str) -> None:
    folder = made(tmp_path / "study", trials=1)
    record: dict[str, Any] = dict(read_run(folder))
    record[entry] = {"nonsense": 3}
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadStudy, match="lacks or garbles"):
        read_settings(folder)
