"""Sweeps through the real command: they repeat from their seed, survive kill -9 and Ctrl-C, and keep the test split."""

from __future__ import annotations

import csv
import io
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import page_words
import pytest
import tiny_recipe
import torch
from optuna.distributions import FloatDistribution
from rich.console import Console
from sweeps import experiment, run, with_settings
from tiny_recipe import made
from torch import Tensor

import hwcost.sweep.run
from hwcost.errors import BadStudy
from hwcost.models import RESOURCES
from hwcost.quant import QuantLinear, learned_weight
from hwcost.report.pareto import non_dominated
from hwcost.search import JOURNAL
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import key_of
from hwcost.sweep.listener import Listener
from hwcost.sweep.live_page import LivePage
from hwcost.sweep.progress import watch
from hwcost.sweep.recipe import Params, Recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.run import Result
from hwcost.sweep.standing import Standing
from hwcost.sweep.study_files import read_json
from hwcost.sweep.study_report import publish
from hwcost.train.data import Data, Split
from hwcost.train.ready_tasks import regression

TINY = Path(tiny_recipe.__file__)
REPORT = ("index.html", "report.md", "pareto.png", "pareto.svg", "trials.csv", "front.json", "run.json")
ENTRY = (sys.executable, "-c", "from hwcost.cli import main; main()")


def table(study: Path) -> list[dict[str, Any]]:
    """Every trial with every digit, its layers and its epochs; without the time it took."""
    rows = json.loads((study / "trials.json").read_text())["trials"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def finished(study: Path) -> list[dict[str, Any]]:
    """Finished trials in order, without what retries move (the number) or the end of a call decides."""
    rows = [row for row in table(study) if row["state"] == "COMPLETE"]
    return [{name: value for name, value in row.items() if name not in ("number", "test_accuracy")} for row in rows]


def front(study: Path) -> list[int]:
    """Numbers of the non-dominated trials."""
    rows = [row for row in table(study) if row["state"] == "COMPLETE"]
    points = np.array([[row[name] for name in ("accuracy", "LUT", "BRAM18")] for row in rows], dtype=float)
    keep = non_dominated(points, ["maximize", "minimize", "minimize"])
    return [row["number"] for row, kept in zip(rows, keep, strict=True) if kept]


def with_test_accuracy(study: Path) -> list[int]:
    """Numbers of the trials with a test accuracy."""
    return [row["number"] for row in table(study) if row["test_accuracy"] is not None]


def record(study: Path) -> dict[str, Any]:
    return read_json(study / "run.json")


@dataclass
class Workplace:
    """A folder with the tiny recipe in it, and the real command."""

    folder: Path

    def start(self, out: str, trials: int, *more: str) -> subprocess.Popen[str]:
        command = [*ENTRY, "sweep", "tiny.py:recipe", "--out", out, "--trials", str(trials), *more]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def sweep(self, out: str, trials: int, *more: str) -> Path:
        process = self.start(out, trials, *more)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return self.folder / out

    def hang(self, out: str, trials: int) -> subprocess.Popen[str]:
        """A sweep that stands in the middle of its third trial."""
        switch = self.folder / "hang"
        switch.write_text(str(self.folder / out))
        process = self.start(out, trials)
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n", process.communicate()
        switch.unlink()
        return process


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copy(TINY, folder / "tiny.py")
    return Workplace(folder)


@pytest.fixture(scope="module")
def whole(workplace: Workplace) -> Path:
    """A study of six trials that nothing interrupted."""
    return workplace.sweep("whole", 6)


@pytest.mark.slow
def test_the_report_is_all_there(whole: Path) -> None:
    assert all((whole / name).stat().st_size > 0 for name in REPORT)
    rows = table(whole)
    assert [row["number"] for row in rows] == list(range(6))
    assert {row["state"] for row in rows} == {"COMPLETE"}
    page = (whole / "index.html").read_text()
    assert "hwcost train --from whole --trial" in page
    assert not [path for path in whole.rglob("*") if path.name.endswith((".partial", ".part"))]


def test_the_record_says_how_it_was_made(whole: Path) -> None:
    run = record(whole)
    assert run["command"] == "hwcost sweep tiny.py:recipe --out whole --trials 6" or run["command"].endswith(
        "sweep tiny.py:recipe --out whole --trials 6"
    )
    assert (run["seed"], run["sampler"], run["target_fps"]) == (0, "tpe", 400_000)
    assert run["versions"]["python"] == platform.python_version()
    assert run["versions"]["torch"] == torch.__version__
    assert run["hwcost"] and run["data"]["fingerprint"] == "made-1"
    assert (run["data"]["train"], run["data"]["validation"], run["data"]["test"]) == (48, 21, 18)
    assert 0 <= run["float"]["validation"] <= 1 and 0 <= run["float"]["test"] <= 1


def test_the_front_is_the_front_and_it_alone_is_tested(whole: Path) -> None:
    with (whole / "trials.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (
        [int(row["number"]) for row in rows if row["on_front"] == "True"] == front(whole) == with_test_accuracy(whole)
    )
    assert 0 < len(front(whole)) < len(rows)
    widths = [[row[name] for name in row if name.startswith("weight_bits:")] for row in rows]
    assert any(len(set(of_a_trial)) > 1 for of_a_trial in widths)  # between layers
    assert len({tuple(of_a_trial) for of_a_trial in widths}) > 2  # and between trials


@pytest.mark.slow
def test_kill_9_in_mid_sweep(workplace: Workplace, whole: Path) -> None:
    process = workplace.hang("killed", 4)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    killed = workplace.sweep("killed", 4)
    rows = table(killed)
    assert [row["state"] for row in rows] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 4
    assert rows[2]["error"] == "interrupted; retried as trial 3"
    assert all(rows[2][name] == rows[3][name] for name in ("params", "seed"))
    assert finished(killed) == finished(whole)


@pytest.mark.slow
def test_ctrl_c_keeps_everything(workplace: Workplace, whole: Path) -> None:
    process = workplace.hang("stopped", 4)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    stopped = workplace.folder / "stopped"
    assert process.returncode == 130
    assert "2 trials" in out and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("interrupted; everything finished is kept, continue with: ")
    assert finished(stopped) == finished(whole)[:2]
    assert all((stopped / name).is_file() for name in REPORT)


def test_a_trial_is_repeated_from_its_record(whole: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"  # as it is committed: neither journal nor checkpoints
    published.mkdir()
    for name in (*REPORT, "trials.json"):
        shutil.copy(whole / name, published)
    recorded, again = reproduce(published, 4, lambda _: tiny_recipe.recipe, None)
    assert recorded == again and set(again) == {"accuracy", *RESOURCES}


@pytest.mark.slow
def test_the_page_is_written_again_from_what_is_on_disk(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    before = {name: (copy / name).read_bytes() for name in REPORT}
    for name in REPORT:
        if name != "run.json":
            (copy / name).unlink()
    assert publish(copy) == copy / "index.html"
    assert {name: (copy / name).read_bytes() for name in REPORT} == before


# In this process: what a listener, a data set or a network sees.


def tiny(folder: Path, recipe: Recipe = tiny_recipe.recipe, **changes: Any) -> Experiment:
    return experiment(recipe, folder, **changes)


@pytest.mark.slow
def test_called_again_it_adds_trials_to_the_same_study(whole: Path, tmp_path: Path, undrawn: None) -> None:
    run(tiny(tmp_path), 4)
    assert table(tmp_path) != table(whole)
    run(tiny(tmp_path), 2)
    assert table(tmp_path) == table(whole)  # and the same seed in two folders, and in two processes, is the same study
    measured = json.loads((tmp_path / "float.json").read_text())
    assert {name: measured[name] for name in ("validation", "test")} == record(whole)["float"]


class _SealedSplit(Split):
    """Nobody may look at it while it is sealed."""

    opened = False

    def __len__(self) -> int:
        return len(object.__getattribute__(self, "y"))

    def __getattribute__(self, name: str) -> Any:
        if name in ("x", "y") and not type(self).opened:
            raise AssertionError("the test split was read during the search")
        return object.__getattribute__(self, name)


@pytest.mark.slow
def test_the_test_split_is_sealed_until_the_search_is_over(tmp_path: Path, undrawn: None) -> None:
    class Sealed(_SealedSplit):
        opened = True

    def data(path: Path | None) -> Data:
        plain = tiny_recipe.made(path)
        return replace(plain, test=Sealed(plain.test.x, plain.test.y))

    class Opener(Listener):
        def trial_started(self, number: int) -> None:  # before, only inputs and a finite score are asked for
            Sealed.opened = False

        def trial_done(self, done: int, standing: Standing) -> None:
            Sealed.opened = done == 3

    recipe = replace(tiny_recipe.recipe, data=data)
    sweep = tiny(tmp_path, recipe, seed=3)
    for _ in range(2):
        loaded = sweep.load()
        Sealed.opened = False
        with pytest.raises(AssertionError, match="test split was read"):
            _ = loaded.test.x  # the seal holds
        Sealed.opened = True
        run(replace(sweep, recipe=replace(recipe, data=lambda path, loaded=loaded: loaded)), 3, Opener())
        Sealed.opened = True
    assert len(table(tmp_path)) == 6
    assert with_test_accuracy(tmp_path) == front(tmp_path)


@pytest.mark.slow
def test_a_trial_that_has_left_the_front_shows_no_test_accuracy(tmp_path: Path, undrawn: None) -> None:
    run(tiny(tmp_path), 6)
    figures = read_json(tmp_path / "test.json")
    assert [int(key.split("-")[0]) for key in figures] == front(tmp_path)
    left = min(set(range(6)) - set(front(tmp_path)))
    row = json.loads((tmp_path / "trials.json").read_text())["trials"][left]
    (tmp_path / "test.json").write_text(json.dumps(figures | {key_of(row): 0.5}))  # as if it had been on the front
    run(tiny(tmp_path), 1)
    assert with_test_accuracy(tmp_path) == front(tmp_path)


@pytest.mark.slow
def test_the_table_keeps_every_digit(tmp_path: Path, undrawn: None) -> None:
    run(tiny(tmp_path), 4)
    stored = json.loads((tmp_path / "trials.json").read_text())["trials"]
    journal = (tmp_path / JOURNAL).read_text()
    for row in stored[2:]:
        assert repr(row["params"]["lut_budget"]) in journal
    json.dumps(stored, allow_nan=False)


@pytest.mark.slow
def test_a_new_study_takes_nothing_from_a_published_report(whole: Path, tmp_path: Path, undrawn: None) -> None:
    for name in ("float.json", "test.json"):  # published without journal and checkpoints
        figures = read_json(whole / name)
        (tmp_path / name).write_text(json.dumps(dict.fromkeys([*figures, *"012345"], 0.123)))
    run(tiny(tmp_path), 6)
    assert table(tmp_path) == table(whole)
    measured = json.loads((tmp_path / "float.json").read_text())
    assert {name: measured[name] for name in ("validation", "test")} == record(whole)["float"]


@pytest.mark.slow
def test_when_its_time_is_over_a_call_begins_no_trial_and_the_next_goes_on(tmp_path: Path, undrawn: None) -> None:
    spent = experiment(tiny_recipe.recipe, tmp_path / "spent", time=1e-6)
    assert hwcost.sweep.run.run(spent).finished == 1  # its first, which it trains in any case
    assert tomllib.loads((tmp_path / "spent" / "config.toml").read_text())["sweep"]["time"] == 1e-6
    assert (
        hwcost.sweep.run.run(with_settings(spent, trials=2, time="1h")).finished == 3
    )  # of another time, the same study
    run(experiment(tiny_recipe.recipe, tmp_path / "whole"), 3)
    assert finished(tmp_path / "spent") == finished(tmp_path / "whole")


def test_another_seed_is_another_study(tmp_path: Path, undrawn: None) -> None:
    for seed in (0, 1):
        run(tiny(tmp_path / str(seed), seed=seed), 4)
    assert finished(tmp_path / "0") != finished(tmp_path / "1")


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_other_samplers_repeat_too(tmp_path: Path, sampler: str, undrawn: None) -> None:
    for folder in ("a", "b"):
        run(tiny(tmp_path / folder, sampler=sampler), 4)
    assert table(tmp_path / "a") == table(tmp_path / "b")


class _Poisoned(tiny_recipe.TinyNet):
    """A network that cannot be trained when its base is 2."""

    def __init__(self, base: int) -> None:
        super().__init__(base)
        self.factor = float("nan") if base == 2 else 1.0

    def forward(self, input: Tensor) -> Tensor:
        scores = super().forward(input)
        return scores * self.factor if self.training else scores


@pytest.mark.slow
def test_a_diverged_trial_is_recorded_and_survived(tmp_path: Path, undrawn: None) -> None:
    def network(params: Params) -> _Poisoned:
        return _Poisoned(params["base"])

    result = run(tiny(tmp_path, replace(tiny_recipe.recipe, network=network)), 4)
    rows = table(tmp_path)
    assert result.finished < 4 == len(rows)
    for row in rows:
        diverged = row["params"]["base"] == 2
        assert row["state"] == ("FAIL" if diverged else "COMPLETE")
        assert (row["error"] or "").startswith("DivergedTraining: epoch 1: the loss is nan") == diverged


@pytest.mark.slow
def test_a_trial_too_slow_for_the_frame_rate_is_survived(tmp_path: Path, undrawn: None) -> None:
    """Out of reach of one anchor, but not of the other: no reason to give up."""

    def network(params: Params) -> tiny_recipe.TinyNet:
        net = tiny_recipe.TinyNet(params["base"])
        if params["base"] == 5:
            net[0].stride = (2, 2)
            net[0].padding = (64, 64)  # a window over so much padding takes far more cycles than there are
            net[3] = torch.nn.MaxPool2d(32)
        return net

    run(tiny(tmp_path, replace(tiny_recipe.recipe, network=network)), 4)
    for row in table(tmp_path):
        slow = row["params"]["base"] == 5
        assert row["state"] == ("FAIL" if slow else "COMPLETE")
        assert (row["error"] or "").startswith("BadFolding: 0: ") == slow


@pytest.mark.slow
def test_the_listener_hears_everything(tmp_path: Path, undrawn: None) -> None:
    heard: list[str] = []

    class Ear(Listener):
        def trial_started(self, number: int) -> None:
            heard.append(f"start {number}")

        def epoch_done(self, epoch: Any) -> None:
            heard.append("epoch")

        def trial_done(self, done: int, standing: Standing) -> None:
            heard.append(f"done {done} of {standing.finished}")

    result = run(tiny(tmp_path), 2, Ear())
    epochs = ["epoch"] * tiny_recipe.recipe.training.epochs
    assert heard == [*epochs, "start 0", *epochs, "done 1 of 1", "start 1", *epochs, "done 2 of 2"]
    assert result == Result(page=tmp_path / "index.html", finished=2, front=result.front, interrupted=False)
    heard.clear()
    run(tiny(tmp_path), 1, Ear())  # the float network is trained once per study
    assert heard == ["start 2", *epochs, "done 1 of 3"]


@pytest.mark.slow
def test_a_log_gets_a_line_per_trial_and_quiet_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: None
) -> None:
    for quiet in (False, True):
        with watch(2, tiny_recipe.recipe.training.epochs, quiet=quiet) as listener:
            run(tiny(tmp_path / str(quiet)), 2, listener)
        lines = capsys.readouterr().err.splitlines()
        assert [line.split("  ")[0] for line in lines] == ([] if quiet else ["trial 1/2", "trial 2/2"])


@pytest.mark.slow
def test_verbose_tells_every_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: None) -> None:
    epochs = tiny_recipe.recipe.training.epochs
    with watch(2, epochs, quiet=False, verbose=True) as listener:
        run(tiny(tmp_path), 2, listener)
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if line.startswith("  epoch")]
    assert len(told) == 3 * epochs and len(lines) == len(told) + 2  # the float network, too
    record = finished(tmp_path)[0]["epochs"][-1]
    row = told[2 * epochs - 1]
    assert f"loss {record['loss']:.4f}" in row and f"{record['LUT']:,.0f} LUT" in row


@pytest.mark.slow
def test_interrupted_before_the_first_trial(tmp_path: Path) -> None:
    class Impatient(Listener):
        def trial_started(self, number: int) -> None:
            raise KeyboardInterrupt

    result = run(tiny(tmp_path), 3, Impatient())
    assert result.interrupted and (result.finished, result.front) == (0, 0)
    assert publish(tmp_path).is_file()
    run(tiny(tmp_path), 2)
    run(tiny(tmp_path / "other"), 2)
    assert finished(tmp_path) == finished(tmp_path / "other")


@pytest.mark.slow
def test_a_study_in_use_is_left_alone(tmp_path: Path, undrawn: None) -> None:
    sweep = tiny(tmp_path)
    run(sweep, 1)

    class Second(Listener):
        def trial_started(self, number: int) -> None:
            with pytest.raises(BadStudy, match="in use by another process"):
                run(sweep, 1)

    assert run(sweep, 1, Second()).finished == 2


@pytest.mark.slow
def test_a_recipe_without_anchors(tmp_path: Path, undrawn: None) -> None:
    recipe = replace(tiny_recipe.recipe, anchors=())
    assert run(tiny(tmp_path, recipe), 3).finished == 3
    narrow = replace(recipe, network=lambda params: tiny_recipe.TinyNet(max(3, params["base"])))
    with pytest.raises(BadStudy, match="network was"):
        run(tiny(tmp_path, narrow), 1)


@pytest.mark.slow
def test_a_narrow_terminal_shows_bar_time_left_and_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr("hwcost.sweep.progress.Console", lambda stderr: console)
    with watch(2, tiny_recipe.recipe.training.epochs, quiet=False) as listener:
        run(tiny(tmp_path), 2, listener)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.getvalue())
    assert re.search(r"trial 1 ━{24} 2/2 \d:\d\d:\d\d left \d:\d\d:\d\d *\n", shown), shown
    assert re.search(r"\nfront \d: best [\d.]+ % at [\d,]+ LUT, cheapest [\d.]+ % at [\d,]+ LUT", shown), shown


@pytest.mark.slow
def test_a_watched_page_grows_and_then_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser would see: after every trial one more, reloading until the end; and no test figure before it."""
    monkeypatch.setattr(LivePage, "due", lambda page: True)
    drawn = LivePage.draw
    monkeypatch.setattr(LivePage, "draw", lambda page: (drawn(page), page.close()))
    pages: list[str] = []

    class Reader(Listener):
        def trial_started(self, number: int) -> None:
            pages.append((tmp_path / "study" / "index.html").read_text())

    sweep = experiment(tiny_recipe.recipe, tmp_path / "study", recipe=f"{TINY}:recipe", watch=True)
    page = run(sweep, 3, Reader()).page
    assert all('http-equiv="refresh"' in text and "The search is running" in text for text in pages)
    assert ["0 finished" in pages[0], "1 finished" in pages[1], "2 finished" in pages[2]] == [True] * 3
    assert "3 finished" in page.read_text() and 'http-equiv="refresh"' not in page.read_text()
    assert with_test_accuracy(tmp_path / "study")


@pytest.mark.slow
def test_a_trial_that_chose_its_hardware_comes_out_again_and_another_choice_is_another_study(
    tmp_path: Path, undrawn: None
) -> None:
    space = {**tiny_recipe.SPACE, "fps": FloatDistribution(1e5, 4e5)}
    base, *_ = tiny_recipe.recipe.anchors
    searched = replace(
        tiny_recipe.recipe, space=space, hardware=lambda params: {"fps": params["fps"]}, anchors=({**base, "fps": 1e5},)
    )
    run(tiny(tmp_path, searched), 2)
    slow = table(tmp_path)[0]
    assert 1e5 <= slow["fps"] < searched.fps
    recorded, again = reproduce(tmp_path, 0, lambda _: searched, None)
    assert recorded == again
    dsp = replace(searched, hardware=lambda params: {"fps": params["fps"], "multipliers": "dsp"})
    with pytest.raises(BadStudy, match="hardware"):
        run(tiny(tmp_path, dsp), 1)


def numbers(path: Path | None) -> Data:
    """Two numbers to predict from the tiny pictures, as 64-bit floats."""
    data = made(path)

    def split(one: Split) -> tuple[Tensor, Tensor]:
        return one.x, 40 * torch.stack([one.x.mean((1, 2, 3)), one.x[:, 0, 0, 0]], 1).double()

    return Data(name="numbers", train=split(data.train), validation=split(data.validation), test=split(data.test))  # type: ignore[arg-type]


class _Two(tiny_recipe.TinyNet):
    def __init__(self, base: int | None) -> None:
        super().__init__(base)
        weight = None if base is None else learned_weight(bits=base + 3, base=base, per_channel=False)
        self[5] = QuantLinear(16, 2, bias=False, weight_quant=weight)


REGRESSION = replace(
    tiny_recipe.recipe, name="numbers", data=numbers, task=regression("RMSE", unit="mm"),
    network=lambda params: _Two(params["base"]), float_network=lambda: _Two(None),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"bits": (2, 5), "warm": 1, "ramp": 2}], ids=["tpe", "greybox"])
def test_a_score_of_which_less_is_better_is_searched_reported_finished_and_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any]
) -> None:
    recipe = replace(REGRESSION, plain=tiny_recipe.recipe.anchors[1])
    sweep = experiment(recipe, tmp_path, **settings)
    with watch(2, 6, quiet=False, verbose=True, score=sweep.score) as shown:
        run(sweep, 2, shown, repeat=1, refit=1)
    rows = [row for row in table(tmp_path) if row["state"] == "COMPLETE"]
    assert max(row["accuracy"] for row in rows) > 1
    points = np.array([[row[name] for name in ("accuracy", "LUT", "BRAM18")] for row in rows])
    keep = non_dominated(points, ["minimize"] * 3)
    best = min(row["accuracy"] for row in rows)
    kept = [row["number"] for row, good in zip(rows, keep, strict=True) if good]
    content = json.loads((tmp_path / "front.json").read_text())
    assert sorted(point["number"] for point in content["points"]) == kept == with_test_accuracy(tmp_path)
    best_mark = next(mark for mark in content["marks"] if "best RMSE" in mark["names"])
    assert next(row for row in rows if row["number"] == best_mark["number"])["accuracy"] == best
    said = capsys.readouterr().err
    assert f"best {best:.4g} mm at" in said and "validation " in said and "%" not in said
    for name in ("index.html", "report.md"):
        assert "accuracy" not in page_words.shown((tmp_path / name).read_text())
    assert {entry["test_accuracy"] is not None for row in rows for entry in row.get("repeats", [])} == {True}
    recorded, again = reproduce(tmp_path, kept[0], lambda _: recipe, None)
    assert recorded == again
