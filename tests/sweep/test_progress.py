"""What a sweep shows while it runs: lines in a log, two live lines on a terminal, nothing when quiet."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import pytest
from rich.console import Console

from hwcost.report.score import Score
from hwcost.sweep.listener import Listener
from hwcost.sweep.progress import Trained, over_budget, watch
from hwcost.sweep.standing import Row, Standing
from hwcost.train.loop import Epoch


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({}, "; trial 3 over its budget: 7,173 LUT for 6,000"),
        ({"budget_reachable": False}, "; trial 3 over its budget: 7,173 LUT for 6,000, which its widths cannot reach"),
        ({"within_budget": True}, ""),
        ({"within_budget": None}, ""),
        ({"state": "FAIL", "within_budget": float("nan")}, ""),
    ],
)
def test_the_remark_of_a_log_line(changes: Row, remark: str) -> None:
    row: Row = {
        "number": 3, "state": "COMPLETE", "within_budget": False, "budget_reachable": True, "LUT": 7173, "DSP": 0,
        "budget": {"LUT": 6000.0, "DSP": 4},
    }  # fmt: skip
    assert over_budget([{**row, **changes}]) == remark
    assert over_budget([]) == ""


def row(number: int, accuracy: float, lut: float) -> Row:
    return {"number": number, "state": "COMPLETE", "accuracy": accuracy, "LUT": lut, "within_budget": None}


FRONT = [row(0, 0.9, 900.0), row(1, 0.75, 300.0)]


def sweep(listener: Listener) -> None:
    """Two trials and a phase, as a sweep tells them."""
    epoch = Epoch(epoch=1, loss=0.25, accuracy=0.5, cost={"LUT": 1200.0, "FF": 1.0}, widths={})
    for number in range(2):
        listener.trial_started(number)
        listener.epoch_done(epoch)
        listener.trial_done(number + 1, Standing(number + 1, FRONT[: number + 1], FRONT[number : number + 1]))
    listener.trials_added(1)
    listener.phase_started("repetitions")
    listener.trial_done(3, Standing(0, [], []))


def test_a_notebook_has_one_output_that_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Mapping[str, str]] = []
    monkeypatch.setattr("hwcost.sweep.progress.Console", lambda stderr: Console(force_jupyter=True, file=io.StringIO()))
    monkeypatch.setattr("hwcost.sweep.progress._notebook_output", lambda: drawn.append)
    monkeypatch.setattr("hwcost.sweep.progress._REDRAWN_S", -1.0)
    with watch(2, 4, quiet=False) as listener:
        sweep(listener)
    assert [one["text/plain"] for one in drawn] == [
        "0/2 trials; float baseline",
        "0/2 trials; trial 0",
        "0/2 trials; trial 0, epoch 1 of 4",
        "1/2 trials; front 1: best 90.0 % at 900 LUT, cheapest 90.0 % at 900 LUT",
        "1/2 trials; trial 1; front 1: best 90.0 % at 900 LUT, cheapest 90.0 % at 900 LUT",
        "1/2 trials; trial 1, epoch 1 of 4; front 1: best 90.0 % at 900 LUT, cheapest 90.0 % at 900 LUT",
        "2/2 trials; front 2: best 90.0 % at 900 LUT, cheapest 75.0 % at 300 LUT",
        "2/3 trials; repetitions; front 2: best 90.0 % at 900 LUT, cheapest 75.0 % at 300 LUT",
        "3/3 trials; no finished trial yet",
    ]
    assert drawn[0]["text/html"] == '<progress max="2" value="0"></progress> 0/2 trials; float baseline'
    with watch(2, 4, quiet=True) as listener:
        sweep(listener)
    assert len(drawn) == 9


def test_a_log_has_a_line_for_each_trial(capsys: pytest.CaptureFixture[str]) -> None:
    with watch(2, 1, quiet=False) as listener:
        sweep(listener)
    assert capsys.readouterr().err.splitlines() == [
        "trial 1/2  front 1: best 90.0 % at 900 LUT, cheapest 90.0 % at 900 LUT",
        "trial 2/2  front 2: best 90.0 % at 900 LUT, cheapest 75.0 % at 300 LUT",
        "repetitions",
        "trial 3/3  no finished trial yet",
    ]


def test_finished_trials_beyond_the_worst_score_are_told_apart_from_none(capsys: pytest.CaptureFixture[str]) -> None:
    with watch(1, 1, quiet=False) as listener:
        listener.trial_done(1, Standing(1, [], []))
    assert capsys.readouterr().err == "trial 1/1  front 0: no finished trial is within the worst score\n"


def test_where_time_decides_the_number_of_trials_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    with watch(None, 1, quiet=False) as listener:
        sweep(listener)
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "trial 1", "trial 2", "repetitions", "trial 3",
    ]  # fmt: skip


def test_a_verbose_log_has_a_line_for_each_epoch_and_a_quiet_one_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    with watch(2, 1, quiet=False, verbose=True) as listener:
        sweep(listener)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  epoch")]
    assert told == ["  epoch 1  loss 0.2500  validation 50.00 %  1,200 LUT"] * 2
    with watch(2, 1, quiet=True, verbose=True) as listener:
        sweep(listener)
    assert capsys.readouterr().err == ""


def test_of_a_score_that_falls_the_least_is_best(capsys: pytest.CaptureFixture[str]) -> None:
    score = Score.of({"name": "error", "direction": "minimize", "unit": "mm"})
    with watch(1, 1, quiet=False, score=score) as listener:
        listener.trial_done(1, Standing(2, FRONT, []))
    assert re.search(r"best 0\.75\d* mm at 300 LUT, cheapest 0\.75\d* mm", capsys.readouterr().err)


def test_a_terminal_shows_a_bar_and_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr("hwcost.sweep.progress.Console", lambda stderr: console)
    for trials in (None, 2):
        with watch(trials, 1, quiet=False) as listener:
            sweep(listener)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.getvalue())
    assert re.search(r"repetitions ━{24} 3/3 \d:\d\d:\d\d left", shown), shown
    assert re.search(r"repetitions \S+ 3 \d:\d\d:\d\d left", shown), shown


def test_a_worker_counts_its_own_trials(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        Trained(Score(), quiet=quiet, verbose=False).trained(7)
    assert capsys.readouterr().err == "trained 7\n"
