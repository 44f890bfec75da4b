"""The end of a search: the front trains on by halves, is trained again with other seeds, and both are on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
import torch
from sweeps import experiment, run

from hwcost.errors import BadOption, BadStudy, DivergedTraining
from hwcost.sweep import finalists
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import REFIT, REPEATED, TESTED, survivors
from hwcost.sweep.finish import finish
from hwcost.sweep.listener import Listener
from hwcost.sweep.own_training import trained
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.replay import recall, reproduce
from hwcost.sweep.study_files import checkpoint, read_json, read_net, read_trials
from hwcost.train.loop import evaluate

RECIPE = tiny_recipe.roomy
pytestmark = pytest.mark.usefixtures("undrawn")


def sweep(folder: Path, recipe: Recipe = RECIPE, **changes: Any) -> Experiment:
    where = f"{Path(tiny_recipe.__file__)}:recipe"
    return experiment(recipe, folder, **{"recipe": where, "bits": (2, 5), "warm": 1, **changes})


def row(number: int, accuracy: float, lut: float, ram: float = 0) -> dict[str, Any]:
    return {"number": number, "params": {"a": number}, "accuracy": accuracy, "LUT": lut, "BRAM18": ram}


def test_the_extremes_and_what_covers_most_survive(tmp_path: Path) -> None:
    front = [row(0, 0.5, 10), row(1, 0.51, 20), row(2, 0.9, 30), row(3, 0.91, 90), row(4, 0.95, 100)]
    plan = sweep(tmp_path)
    numbers = [[int(kept["number"]) for kept in survivors(front, plan, rung)] for rung in (1, 2, 3, 4)]
    assert numbers == [[0, 1, 2, 3, 4], [0, 2, 4], [0, 4], [0]]


def test_of_the_same_widths_the_latest_goes_on(tmp_path: Path) -> None:
    front = [row(0, 0.9, 30), {**row(1, 0.9, 30), "params": {"a": 0}}, row(2, 0.95, 100)]
    assert [kept["number"] for kept in survivors(front, sweep(tmp_path), 1)] == [1, 2]


class _Counted(Listener):
    def __init__(self) -> None:
        self.wanted = 0
        self.done: list[int] = []

    def trials_added(self, count: int) -> None:
        self.wanted += count

    def trial_done(self, done: int, standing: Any) -> None:
        self.done.append(done)


@pytest.mark.slow
def test_the_front_trains_on_from_itself_half_of_it_twice_as_long(tmp_path: Path) -> None:
    told = _Counted()
    run(sweep(tmp_path / "study"), 4)
    finish(sweep(tmp_path / "study"), polish=2, listener=told)
    rows = read_trials(tmp_path / "study").set_index("number", drop=False)
    polished = rows[rows["polish"].notna()]
    assert told.done == list(range(1, len(polished) + 1)) and told.wanted == len(polished)
    rungs = polished["polish"].value_counts()
    assert set(rungs.index) == {1.0, 2.0} and rungs[2.0] < rungs[1.0] + 2
    for _, one in polished.iterrows():
        assert one["params"] == rows.loc[int(one["parent"])]["params"], "not its own weights"
        assert len(one["epochs"]) == one["polish"]
        recorded, again = reproduce(tmp_path / "study", int(one["number"]), lambda _: RECIPE, None)
        assert recorded == again


def numbered(key: str) -> int:
    """The number of a trial in a key of the records of finalists."""
    return int(key.split("-")[0])


@pytest.mark.slow
def test_other_seeds_train_the_front_again_and_are_tested_once(tmp_path: Path) -> None:
    run(sweep(tmp_path / "study"), 3, repeat=2)
    folder = tmp_path / "study"
    repeats, tested = read_json(folder / REPEATED), read_json(folder / TESTED)
    assert repeats.keys() == tested.keys()
    rows = read_trials(folder)
    for number, runs in repeats.items():
        seeds = {entry["seed"] for entry in runs}
        assert len(seeds) == 2 and int(rows["seed"][numbered(number)]) not in seeds
        assert all(0 <= entry[name] <= 1 for entry in runs for name in ("accuracy", "test_accuracy"))
    run(sweep(folder), 1, repeat=3)
    later = read_json(folder / REPEATED)
    assert all(later[number][:2] == runs for number, runs in repeats.items())
    table = read_json(folder / "trials.json")["trials"]
    shown = {entry["number"]: entry["repeats"] for entry in table if "repeats" in entry}
    assert shown and all(len(runs) >= 2 for runs in shown.values())


@pytest.mark.slow
def test_a_repetition_that_fails_is_recorded_and_ctrl_c_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sweep(tmp_path / "study"), 2)
    train, made = finalists.run_trial, []

    def broken(*given: Any) -> Any:
        made.append(given[2].seed)
        if len(made) == 1:
            raise DivergedTraining("epoch 1: the loss is nan; lower the learning rate")
        if len(made) == 3:
            raise KeyboardInterrupt
        return train(*given)

    monkeypatch.setattr(finalists, "run_trial", broken)
    ended = run(sweep(tmp_path / "study"), 1, repeat=3)
    assert ended.interrupted and ended.page.name == "index.html"
    ((first, second),) = read_json(tmp_path / "study" / REPEATED).values()
    assert first["test_accuracy"] is None and "DivergedTraining" in first["error"]
    assert 0 <= second["test_accuracy"] <= 1
    rows = read_json(tmp_path / "study" / "trials.json")["trials"]
    assert [row["repeats"] for row in rows if "repeats" in row] == [[first, second]]


@pytest.mark.slow
def test_the_front_trains_on_with_all_but_the_test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, train, seen = tmp_path / "study", trained, []

    def watched(experiment: Any, run: Any) -> Any:
        seen.append((len(run.data.train), run.training.epochs, run.training.lr))
        return train(experiment, run)

    monkeypatch.setattr(finalists, "trained", watched)
    run(sweep(folder), 3, refit=2)
    data = sweep(folder).load()
    refits, tested = read_json(folder / REFIT), read_json(folder / TESTED)
    assert refits.keys() == tested.keys()
    assert seen == [(len(data.train) + len(data.validation), 2, 0.3 * sweep(folder).training().lr)] * len(refits)
    rows = {str(entry["number"]): entry for entry in read_json(folder / "trials.json")["trials"]}
    for number, figures in refits.items():
        trial = recall(folder, numbered(number), lambda _: RECIPE, None)
        again = recall(folder, numbered(number), lambda _: RECIPE, None, refit=True)
        assert again.estimate().total == trial.estimate().total, "its widths moved"
        assert figures["epochs"] == 2 and evaluate(again.net, data.test) == figures["test_accuracy"]
        assert rows[number.split("-")[0]]["refit_accuracy"] == figures["test_accuracy"]
        kept, new = (read_net(checkpoint(folder, numbered(number), refit=refit), None) for refit in (False, True))
        assert any(not torch.equal(kept[name], new[name]) for name in kept)
    run(sweep(folder), 1)
    assert read_json(folder / REFIT) == refits
    run(sweep(folder), 1, refit=2)  # only what is new on the front
    assert len(seen) == len(read_json(folder / REFIT)) >= len(refits)


def test_widths_that_a_training_learned_stand_still_in_a_refit(tmp_path: Path) -> None:
    folder, recipe = tmp_path / "study", tiny_recipe.recipe
    run(sweep(folder, recipe=recipe, bits=None, warm=None), 2, refit=2)
    numbers = [numbered(key) for key in read_json(folder / REFIT)]
    assert numbers
    for number in numbers:
        kept, new = (read_net(checkpoint(folder, number, refit=refit), None) for refit in (False, True))
        widths = [name for name in kept if name.endswith("bits.offset")]
        assert len(widths) > 2 and all(torch.equal(kept[name], new[name]) for name in widths)
        assert any(not torch.equal(kept[name], new[name]) for name in kept)


def test_a_refit_that_fails_is_recorded_and_what_was_not_refit_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    run(sweep(folder), 2, refit=1)
    before = read_json(folder / REFIT)
    assert all(figures["test_accuracy"] is not None for figures in before.values())

    def diverged(*given: Any, **named: Any) -> Any:
        raise DivergedTraining("epoch 1: the loss is nan; lower the learning rate")

    monkeypatch.setattr(finalists, "trained", diverged)
    run(sweep(folder), 1, refit=2)
    failed = {number: figures for number, figures in read_json(folder / REFIT).items() if figures["epochs"] == 2}
    for number, figures in failed.items():
        assert figures["test_accuracy"] is None and "DivergedTraining" in figures["error"]
        with pytest.raises(BadStudy, match=rf"trial {numbered(number)} was not refit; `hwcost finish .* --refit"):
            recall(folder, numbered(number), lambda _: RECIPE, None, refit=True)
    assert failed


def test_without_warm_starts_there_is_nothing_to_train_on_from(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"polish=1: .* --warm"):
        run(sweep(tmp_path / "study", warm=None), 1, polish=1)
