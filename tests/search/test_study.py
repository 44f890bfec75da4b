"""Real processes, really killed; each resumed study is compared with one that was never interrupted."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna_study import OBJECTIVES, SPACE, judge, kept, opened, uninterrupted

from hwcost.errors import BadOption, BadStudy, DivergedTraining, UnknownDevice
from hwcost.search import JOURNAL, Objective, Outcome, Suggestion

# A child that stops inside trial `hang` and says so; argv: folder, trials, hang, sampler.
CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[5])
from optuna.distributions import IntDistribution
from optuna_study import judge, opened

folder, trials, hang = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def objective(suggestion):
    if suggestion.number == hang:
        print("hanging", flush=True)
        for _ in range(12_000):
            time.sleep(0.05)
    return judge(suggestion)

with opened(folder, sampler=sys.argv[4]) as study:
    print(study.run(objective, trials=trials), flush=True)
"""


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *, trials: int, hang: int, sampler: str = "tpe") -> subprocess.Popen[str]:
        here = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", CHILD, str(folder), str(trials), str(hang), sampler, here]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("nsga2", marks=pytest.mark.slow)])
def test_kill_9_in_mid_trial(tmp_path: Path, child: Callable[..., subprocess.Popen[str]], sampler: str) -> None:
    process = child(tmp_path / "killed", trials=99, hang=12, sampler=sampler)
    process.kill()
    process.wait()
    with opened(tmp_path / "killed", sampler=sampler) as study:
        before = study.frame()
        assert list(before["state"]) == ["COMPLETE"] * 12 + ["FAIL"]
        assert study.run(judge, trials=14).done == 14
        after = study.frame()
    assert kept(after)[:12] == kept(before)
    interrupted, retry = after.iloc[12], after.iloc[13]
    assert interrupted["reason"] == "interrupted; retried as trial 13"
    assert (retry["params"], retry["seed"]) == (interrupted["params"], interrupted["seed"])
    assert set(retry["params"]) == set(SPACE)
    assert kept(after) == uninterrupted(tmp_path / "whole", 26, sampler=sampler)


@pytest.mark.slow
def test_a_deadly_trial_is_given_up(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    for number in (1, 2, 3):  # trial 1, then its two retries
        process = child(tmp_path, trials=9, hang=number)
        process.kill()
        process.wait()
    with opened(tmp_path) as study:
        assert study.run(judge, trials=1).done == 1
        frame = study.frame()
    assert list(frame["state"]) == ["COMPLETE", "FAIL", "FAIL", "FAIL", "COMPLETE"]
    assert "died 3 times; given up" in frame["reason"][3]
    assert frame["seed"][1] == frame["seed"][2] == frame["seed"][3] != frame["seed"][4]


class _Dying:
    """A crew whose processes die at once, of too little memory for one."""

    size = 2

    def __init__(self) -> None:
        self.started: list[int] = []

    def start(self, suggestion: Suggestion) -> None:
        self.started.append(suggestion.number)

    def finished(self) -> tuple[int, None]:
        return self.started.pop(0), None

    def stop(self) -> None:
        self.started.clear()


def test_a_sweep_whose_every_process_dies_comes_to_an_end(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        assert study.run(judge, trials=2, crew=_Dying()).done == 2
        frame = study.frame()
        assert list(frame["state"].unique()) == ["FAIL"]
        assert frame["reason"].str.contains("given up").sum() == 2
        assert study.run(judge, trials=1).done == 1  # and goes on in one that lives
        assert list(study.frame()["state"])[-1] == "COMPLETE"


def test_a_disk_that_fails_costs_no_trial(tmp_path: Path) -> None:
    """However often: it is the machine's fault, not that of the trial that it strikes."""

    def failing(suggestion: Suggestion) -> Outcome:
        raise BadStudy("checkpoint: cannot be written (Input/output error)")

    for _ in range(4):
        with opened(tmp_path) as study, pytest.raises(BadStudy, match="Input/output"):
            study.run(failing, trials=2)
    with opened(tmp_path) as study:
        assert study.run(judge, trials=3).done == 3
        frame = study.frame()
    assert list(frame["state"]) == ["FAIL"] * 4 + ["COMPLETE"] * 3
    assert kept(frame) == uninterrupted(tmp_path / "whole", 3)


def test_ctrl_c_of_a_real_process(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    for number in (1, 2, 3, 4, 5):  # more often than a deadly trial may be retried: a user is patient with it
        process = child(tmp_path / "stopped", trials=9, hang=number)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert output == f"RunEnd(done={int(number == 1)}, interrupted=True, stopped=False)\n"
        assert process.returncode == 0
    with opened(tmp_path / "stopped") as study:
        assert study.run(judge, trials=3).done == 3
        assert kept(study.frame()) == uninterrupted(tmp_path / "whole", 4)


def test_ctrl_c_then_on_in_the_same_process(tmp_path: Path) -> None:
    def press(suggestion: Suggestion) -> Outcome:
        if suggestion.number == 3:
            raise KeyboardInterrupt
        return judge(suggestion)

    with opened(tmp_path / "stopped") as study:
        end = study.run(press, trials=9)
        assert (end.done, end.interrupted) == (3, True)
        assert not study.run(judge, trials=2).interrupted
        assert kept(study.frame()) == uninterrupted(tmp_path / "whole", 5)


@pytest.mark.parametrize(
    "sampler", ["random", "grid", *(pytest.param(n, marks=pytest.mark.slow) for n in ("tpe", "nsga2", "gp"))]
)
def test_dying_after_any_line_gives_the_same_study(tmp_path: Path, sampler: str) -> None:
    """Cut the journal after every single line of a trial, and once inside each: resumed, nothing changes."""
    trials = 5
    anchors = [{"bits": 3}]
    expected = uninterrupted(tmp_path / "whole", trials, sampler=sampler, anchors=anchors)
    content = (tmp_path / "whole" / JOURNAL).read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    founding = 2  # the study and its fingerprint
    cuts = ends[founding - 1 :] if sampler in ("tpe", "random") else ends[-12:]  # the others are slower
    for end in [*cuts, *(end - 5 for end in cuts[1:])]:
        folder = tmp_path / f"cut-{end}"
        folder.mkdir()
        (folder / JOURNAL).write_bytes(content[:end])
        with opened(folder, sampler=sampler, anchors=anchors) as study:
            missing = trials - len(kept(study.frame()))
            if missing:
                study.run(judge, trials=missing)
            assert kept(study.frame()) == expected


@pytest.mark.parametrize(
    "sampler", ["random", "grid", *(pytest.param(n, marks=pytest.mark.slow) for n in ("tpe", "nsga2", "gp"))]
)
def test_same_seed_same_study(tmp_path: Path, sampler: str) -> None:
    trials = 14 if sampler == "gp" else 45  # past the random start of each, and the first generation of nsga2
    once = uninterrupted(tmp_path / "once", trials, sampler=sampler)
    again: list[dict[str, Any]] = []
    for part in (4, trials - 4):
        with opened(tmp_path / "again", sampler=sampler) as study:
            study.run(judge, trials=part)
            again = kept(study.frame())
    assert again == once
    assert uninterrupted(tmp_path / "other", trials, sampler=sampler, seed=8) != once


def test_nsga2_breeds_from_anchors(tmp_path: Path) -> None:
    """Optuna leaves a trial whose parameters are all given out of every generation; here it is a parent."""
    anchors = [{"bits": 5, "lr": 1e-2, "kind": "ternary"}] * 20  # the whole first generation
    rows = uninterrupted(tmp_path, 40, sampler="nsga2", anchors=anchors)
    # Crossover goes through log and exp, so close and not equal. A mutation redraws a parameter one time in three.
    inherited = sum(math.isclose(row["params"]["lr"], 1e-2, rel_tol=1e-9) for row in rows[20:])
    assert 8 <= inherited <= 19


def test_samplers_learn(tmp_path: Path) -> None:
    """The history reaches the sampler: beside random, past its random start, TPE prefers what did well."""
    late = {}
    for sampler in ("tpe", "random"):
        rows = uninterrupted(tmp_path / sampler, 60, sampler=sampler)[30:]
        late[sampler] = sum(abs(math.log10(row["params"]["lr"]) + 2) for row in rows)
    assert late["tpe"] < late["random"]


def test_asking_for_more_adds(tmp_path: Path) -> None:
    calls: list[int] = []
    with opened(tmp_path) as study:
        study.run(judge, trials=2, on_trial=calls.append)
        study.run(judge, trials=3, on_trial=calls.append)
        assert len(study.frame()) == 5
    assert calls == [1, 2, 1, 2, 3]
    assert uninterrupted(tmp_path, 1)[4:][0]["seed"] > 0
    with opened(tmp_path) as study:
        assert list(study.frame()["number"]) == list(range(6))


def test_two_writers(tmp_path: Path, child: Callable[..., subprocess.Popen[str]]) -> None:
    process = child(tmp_path, trials=9, hang=1)
    started = time.monotonic()
    with pytest.raises(BadStudy, match="in use by another process"), opened(tmp_path):
        pass
    assert time.monotonic() - started < 30  # no waiting for the 600 s of the other
    process.kill()
    process.wait()
    with opened(tmp_path) as study, pytest.raises(BadStudy, match="in use"), opened(tmp_path):  # also within a process
        study.frame()
    with opened(tmp_path) as study:
        assert len(study.frame()) == 2


def test_corrupt_lines_are_named_and_left_alone(tmp_path: Path) -> None:
    uninterrupted(tmp_path, 3)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    for number in (1, 8, len(lines) - 1):
        for broken, part in (
            (lines[number][:20] + b"\n", f"line {number + 1} is corrupt"),
            (b"\0" * 40 + b"\n", f"line {number + 1} is corrupt"),
            (b"7\n", f"line {number + 1} is corrupt"),
            (b'{"op_code":77}\n', "corrupt|no fingerprint"),
        ):
            content = b"".join([*lines[:number], broken, *lines[number + 1 :]])
            (tmp_path / JOURNAL).write_bytes(content)
            with pytest.raises(BadStudy, match=part) as raised, opened(tmp_path):
                pass
            assert "\n" not in str(raised.value)
            assert (tmp_path / JOURNAL).read_bytes() == content


def test_a_full_disk_tears_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync
    left = [25]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with opened(tmp_path / "full") as study:
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(BadStudy, match="No space left on device"):
            study.run(judge, trials=9)
        monkeypatch.setattr(os, "fsync", real)
        assert (tmp_path / "full" / JOURNAL).read_bytes().endswith(b"\n")
    with opened(tmp_path / "full") as study:
        finished = len(kept(study.frame()))
        assert 1 <= finished < 9
        study.run(judge, trials=9 - finished)
        assert kept(study.frame()) == uninterrupted(tmp_path / "whole", 9)


def test_failures_are_recorded_and_survived(tmp_path: Path) -> None:
    def fail(suggestion: Suggestion) -> Outcome:
        if suggestion.number == 0:
            raise DivergedTraining("epoch 2: loss is NaN")
        if suggestion.number == 1:
            return Outcome((math.nan, 100.0), {"epochs": 3})
        if suggestion.number == 2:
            return Outcome((90.0, math.inf))
        return judge(suggestion)

    with opened(tmp_path) as study:
        assert study.run(fail, trials=4).done == 4
    with opened(tmp_path) as study:
        frame = study.frame()
        assert study.run(judge, trials=1).done == 1
        assert len(study.frame()) == 5  # what failed for a reason is not retried
    assert list(frame["state"]) == ["FAIL", "FAIL", "FAIL", "COMPLETE"]
    assert list(frame["reason"][:3]) == [
        "DivergedTraining: epoch 2: loss is NaN",
        "not finite: accuracy = nan",
        "not finite: LUT = inf",
    ]
    assert frame["epochs"][1] == 3
    assert frame["seconds"].notna().all()
    assert frame["reason"].isna()[3]


def test_any_other_error_is_recorded_and_raised(tmp_path: Path) -> None:
    def crash(suggestion: Suggestion) -> Outcome:
        raise RuntimeError("shapes differ")

    def unknown(suggestion: Suggestion) -> Outcome:
        raise UnknownDevice("no such part")

    with opened(tmp_path) as study:
        with pytest.raises(RuntimeError, match="shapes differ"):
            study.run(crash, trials=5)
        with pytest.raises(UnknownDevice):
            study.run(unknown, trials=5)
        assert study.run(unknown, trials=1, failures=(UnknownDevice,)).done == 1
        frame = study.frame()
    assert list(frame["state"]) == ["FAIL"] * 3
    assert list(frame["reason"]) == ["RuntimeError: shapes differ", *["UnknownDevice: no such part"] * 2]


def test_anchors_come_first(tmp_path: Path) -> None:
    anchors = [{"bits": 8, "lr": 1e-2, "kind": "int"}, {"bits": 2}]
    rows = uninterrupted(tmp_path, 3, anchors=anchors)
    assert rows[0]["params"] == anchors[0]
    assert rows[1]["params"]["bits"] == 2
    assert set(rows[1]["params"]) == set(SPACE)


def test_stop_ends_a_run(tmp_path: Path) -> None:
    done: list[int] = []
    with opened(tmp_path) as study:
        end = study.run(judge, trials=9, on_trial=done.append, stop=lambda: len(done) == 2)
        assert (end.done, end.stopped, end.interrupted) == (2, True, False) and done == [1, 2]
        assert len(study.frame()) == 2


class _Slow:
    """A crew that ends its trials in the order of their start, and notes what it began."""

    size = 3

    def __init__(self) -> None:
        self.started: list[Suggestion] = []
        self.ended = 0

    def start(self, suggestion: Suggestion) -> None:
        self.started.append(suggestion)

    def finished(self) -> tuple[int, Outcome]:
        self.ended += 1
        return self.started[self.ended - 1].number, judge(self.started[self.ended - 1])

    def stop(self) -> None:
        raise AssertionError("its trials were to end")


def test_what_a_crew_trains_when_a_run_is_stopped_is_kept(tmp_path: Path) -> None:
    crew, done = _Slow(), []
    with opened(tmp_path) as study:
        end = study.run(judge, trials=9, on_trial=done.append, stop=lambda: len(done) == 2, crew=crew)
        assert (end.done, end.stopped, len(crew.started)) == (4, True, 4) and done == [1, 2, 3, 4]
        assert list(study.frame()["state"]) == ["COMPLETE"] * 4
        assert not study.run(judge, trials=1).stopped


def test_one_objective(tmp_path: Path) -> None:
    with opened(tmp_path, objectives=OBJECTIVES[:1]) as study:
        study.run(lambda suggestion: Outcome((float(suggestion.params["bits"]),)), trials=12)
        assert [row["bits"] for row in study.frame()["params"]] == list(study.frame()["accuracy"])


@pytest.mark.parametrize("trials", [0, -1, 2.5, True])
def test_bad_number_of_trials(tmp_path: Path, trials: Any) -> None:
    with opened(tmp_path) as study, pytest.raises(BadOption, match="at least 1"):
        study.run(judge, trials=trials)


def test_optuna_is_left_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    uninterrupted(tmp_path, 2)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr().err == ""


def _deep(trial: Any) -> None:
    """A second width where there is a second layer."""
    if trial.suggest_int("depth", 1, 3) > 1:
        trial.suggest_int("second", 8, 32)
    trial.suggest_float("lr", 1e-3, 1e-1, log=True)


def _judge_deep(suggestion: Suggestion) -> Outcome:
    params = suggestion.params
    return Outcome((params["lr"] + suggestion.seed % 97, float(params.get("second", 1) * params["depth"])))


def test_a_space_that_is_a_function_repeats_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in a training, and between two questions of the space."""
    deep: dict[str, Any] = {"space": _deep, "anchors": [{"depth": 1, "lr": 0.01}, {"depth": 3, "second": 9, "lr": 0.1}]}
    with opened(tmp_path / "whole", **deep) as study:
        study.run(_judge_deep, trials=16)
        whole = study.frame()
    assert list(whole["params"][:2]) == deep["anchors"]
    assert {len(params) for params in whole["params"]} == {2, 3}

    def interrupted_at(number: int) -> Callable[[Suggestion], Outcome]:
        def judge(suggestion: Suggestion) -> Outcome:
            if suggestion.number == number:
                raise KeyboardInterrupt
            return _judge_deep(suggestion)

        return judge

    with opened(tmp_path / "parts", **deep) as study:
        assert study.run(interrupted_at(5), trials=16).interrupted
    with monkeypatch.context() as patched, opened(tmp_path / "parts", **deep) as study:
        suggest = optuna.Trial.suggest_float

        def struck(trial: Any, name: str, *args: Any, **kwargs: Any) -> float:
            if trial.number == 9:
                raise KeyboardInterrupt
            return suggest(trial, name, *args, **kwargs)

        patched.setattr(optuna.Trial, "suggest_float", struck)
        assert study.run(_judge_deep, trials=11).interrupted
        assert "lr" not in study.frame()["params"].iloc[9]
    with opened(tmp_path / "parts", **deep) as study:
        study.run(_judge_deep, trials=16 - int((study.frame()["state"] == "COMPLETE").sum()))
        parts = study.frame()
    finished = parts[parts["state"] == "COMPLETE"]
    assert list(finished["params"]) == list(whole["params"]) and list(finished["seed"]) == list(whole["seed"])


@pytest.mark.parametrize(
    ("sampler", "trials"),
    [("tpe", 60), pytest.param("nsga2", 120, marks=pytest.mark.slow), pytest.param("gp", 24, marks=pytest.mark.slow)],
)
def test_a_sampler_is_told_of_what_does_not_count(tmp_path: Path, sampler: str, trials: int) -> None:
    """Of 81 points that are all on the front 9 count."""
    space = {"a": IntDistribution(0, 8), "b": IntDistribution(0, 8)}

    def judge(suggestion: Suggestion) -> Outcome:
        total = float(sum(suggestion.params.values()))
        return Outcome((total, total))

    counting = {}
    for worst in (None, 12.5):
        objectives = (Objective("accuracy", "maximize", worst), Objective("LUT", "minimize"))
        settings: dict[str, Any] = {"space": space, "objectives": objectives, "sampler": sampler}
        with opened(tmp_path / f"{worst}", **settings) as study:
            study.run(judge, trials=trials)
            counting[worst] = int((study.frame()["accuracy"][2 * trials // 3 :] > 12.5).sum())
    assert counting[12.5] > 2 * counting[None]
    other = settings | {"objectives": OBJECTIVES}
    refused = pytest.raises(BadStudy, match=r"objectives was 'maximize accuracy \(worst 12.5\), .*', now 'max")
    with refused, opened(tmp_path / "12.5", **other):
        pass
