"""Studies from Python: the same as by the command, restartable, and nothing of the caller's process is changed."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import optuna.visualization.matplotlib as plots
import pytest
import tiny_recipe
import torch
from matplotlib import pyplot
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sweeps import experiment, run
from tiny_recipe import made, recipe

import hwcost
from hwcost.errors import BadOption, BadStudy
from hwcost.graph.trace import trace
from hwcost.sweep.listener import Listener
from hwcost.sweep.study_files import read_trials
from hwcost.train.loop import evaluate


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> hwcost.Study:
    torch.set_num_threads(2)
    sys.argv, before = ["ipykernel_launcher.py", "-f", "secret.json"], sys.argv
    try:
        found = hwcost.run_sweep(recipe, trials=3, out=tmp_path_factory.mktemp("swept") / "study", quiet=True, seed=1)
    finally:
        sys.argv = before
    assert torch.get_num_threads() == 2
    return found


def test_it_is_the_study_of_the_command(study: hwcost.Study, tmp_path: Path, undrawn: None) -> None:
    run(experiment(recipe, tmp_path, seed=1), 3)
    kept = ["number", "params", "seed", "accuracy", "LUT"]
    mine, theirs = (read_trials(folder)[kept].to_dict("records") for folder in (study.folder, tmp_path))
    assert mine == theirs
    assert study.record["command"].startswith(
        f"hwcost.run_sweep('tiny_recipe:recipe', out={str(study.folder)!r}, trials=3, seed=1"
    )
    assert "ipykernel" not in str(study.record) and study.input_step == 1 / 16


def test_the_frame_has_a_column_for_each_parameter_score_and_cost(study: hwcost.Study) -> None:
    frame, front = study.frame(), study.front()
    assert list(frame["number"]) == [0, 1, 2] and frame["score"].between(0, 1).all()
    assert {
        "base",
        "lut_budget",
        "LUT",
        "interval_cycles",
        "latency_us",
        "fps",
        "energy_uj",
        "test_score",
        "on_front",
    } <= {*frame.columns}
    assert list(front["LUT"]) == sorted(front["LUT"]) and front["on_front"].all()
    assert sorted(front["number"]) == list(frame[frame["on_front"]]["number"])
    assert repr(study) == f"Study(folder={study.folder!r})"


def test_a_network_is_loaded_priced_and_judged(study: hwcost.Study) -> None:
    row = study.front().iloc[0]
    design = study.design(int(row["number"]))
    net = study.load(int(row["number"]))
    assert not net.training and evaluate(net, made(None).validation) == row["score"]
    assert design.estimate().total["LUT"] == row["LUT"]
    pipeline = trace(net, made(None).train.example, input_range=recipe.input)
    assert hwcost.estimate(pipeline, design.model).total["LUT"] == row["LUT"]
    with pytest.raises(BadStudy, match="no trial 9"):
        study.load(9)


@pytest.mark.slow
def test_page_figure_and_copy_for_optuna(study: hwcost.Study, tmp_path: Path) -> None:
    assert study.report() == study.folder / "index.html"
    assert study.plot().axes[0].get_ylabel().startswith("validation accuracy, %")
    copy = study.to_optuna(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.metric_names == ["accuracy", "LUT", "BRAM18"] and len(copy.trials) == 3
    assert len(copy.trials[0].intermediate_values) == recipe.training.epochs
    assert copy.trials[0].user_attrs["latency_us"] == study.frame()["latency_us"][0]
    with pytest.raises(BadOption, match=r"copy\.db: holds a study tiny already; give another place"):
        study.to_optuna(f"sqlite:///{tmp_path / 'copy.db'}")


@pytest.mark.slow
def test_optuna_draws_a_journal_and_a_copy_with_names(study: hwcost.Study, tmp_path: Path) -> None:
    """The journal that a sweep keeps, and a file made of it: each as `optuna-dashboard` opens it."""
    study.to_optuna(str(tmp_path / "copy.journal"))
    kept, copy = (
        optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(place))))
        for place in (study.folder / "study.journal", tmp_path / "copy.journal")
    )
    assert kept.metric_names == copy.metric_names == ["accuracy", "LUT", "BRAM18"]
    assert [trial.values for trial in kept.best_trials] == [trial.values for trial in copy.best_trials]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's plots are experimental
        for one in (kept, copy):
            axes = plots.plot_pareto_front(one)
            assert [getattr(axes, f"get_{way}label")() for way in "xyz"] == ["accuracy", "LUT", "BRAM18"]
            aims = {"target": lambda trial: trial.values[1], "target_name": "LUT"}
            for draw in (plots.plot_slice, plots.plot_parallel_coordinate, plots.plot_optimization_history):
                draw(one, **aims)
            plots.plot_timeline(one)
        curves = plots.plot_intermediate_values(copy)
    drawn = [list(line.get_ydata()) for line in curves.lines]
    assert drawn == [list(trial.intermediate_values.values()) for trial in copy.trials]
    pyplot.close("all")


def test_called_again_it_adds_trials_and_a_folder_can_be_opened(
    tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        hwcost.run_sweep("tiny_recipe:recipe", trials=1, out=tmp_path)
    assert "trial 1/1  front" in capsys.readouterr().err
    for opened in (hwcost.open_study(tmp_path, recipe), hwcost.open_study(tmp_path)):  # it was named a moment ago
        assert len(opened.frame()) == 2 and opened.load(1) is not None
    with pytest.raises(BadStudy, match="no study there"):
        hwcost.open_study(tmp_path / "none")


def test_typos_and_recipes_that_no_process_can_find_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="setting 'trails': unknown; known are accelerator"):
        hwcost.run_sweep(recipe, out=tmp_path / "a", trails=3)
    with pytest.raises(BadOption, match="jobs=2: recipe tiny is in no file"):
        hwcost.run_sweep(replace(recipe), out=tmp_path / "b", jobs=2)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_ctrl_c_reaches_the_caller_and_keeps_what_is_done(
    tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Listener, number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Listener, "trial_started", interrupt)
    with pytest.raises(KeyboardInterrupt):
        hwcost.run_sweep(recipe, trials=3, out=tmp_path, quiet=True)
    assert list(hwcost.open_study(tmp_path).frame()["state"]) == ["COMPLETE", "FAIL"]


@pytest.mark.slow
def test_several_processes(tmp_path: Path) -> None:
    assert len(hwcost.run_sweep(recipe, trials=2, out=tmp_path, jobs=2, quiet=True).frame()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objectives", "way"),
    [
        (("accuracy", "latency_us"), "minimize"),
        (("accuracy", "interval_cycles"), "minimize"),
        (("accuracy", "fps"), "maximize"),
    ],
)
def test_speeds_are_objectives(tmp_path: Path, undrawn: None, objectives: tuple[str, ...], way: str) -> None:
    fast: Any = {"hardware": lambda params: {"fps": tiny_recipe.FPS if params["base"] > 3 else tiny_recipe.FPS / 8}}
    done = hwcost.run_sweep(replace(recipe, objectives=objectives, **fast), trials=2, out=tmp_path, quiet=True)
    rows = done.record["objectives"]
    recorded = {"interval_cycles": "cycles"}.get(objectives[1], objectives[1])
    assert rows[1] == {"name": recorded, "direction": way}
    assert done.to_optuna().metric_names == ["accuracy", objectives[1]]
    frame = done.frame()
    clock = recipe.clock_mhz
    assert list(frame["latency_us"]) == list(frame["latency_cycles"] / clock)
    assert list(frame["fps"]) == pytest.approx(list(1e6 * clock / frame["interval_cycles"]))
    assert (frame["latency_cycles"] > frame["interval_cycles"]).all()  # the interval is no latency
    assert "cycles" not in frame.columns and frame.columns.is_unique
