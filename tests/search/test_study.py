"""Real processes, really killed; each resumed study is compared with one that was never interrupted."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadOption, BadStudy, DivergedTraining, UnknownDevice
from hwcost.search import JOURNAL, LOCK, Objective, Outcome, Study, StudySpec, Suggestion, open_study

SPACE = {
    "bits": IntDistribution(2, 8),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["int", "ternary"]),
}
OBJECTIVES = (Objective("accuracy", "maximize"), Objective("LUT", "minimize"))


def opened(folder: Path, **changes: Any) -> AbstractContextManager[Study]:
    settings: dict[str, Any] = {
        "fingerprint": {"recipe": "toy", "epochs": 3},
        "objectives": OBJECTIVES,
        "seed": 7,
        "sampler": "tpe",
        "space": SPACE,
    }
    return open_study(folder, StudySpec(**settings | changes))


def judge(suggestion: Suggestion) -> Outcome:
    """Follows from parameters and seed alone, as a training does."""
    bits, lr = suggestion.params["bits"], suggestion.params["lr"]
    accuracy = 100 - 4.0 ** (4 - bits) - abs(math.log10(lr) + 2) + suggestion.seed % 97 / 970
    lut = 100.0 * bits * (2 if suggestion.params["kind"] == "int" else 1)
    return Outcome((accuracy, lut), {"layers": [{"bits": bits}], "LUT": lut})


def kept(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What must not depend on interruptions: finished trials in order, without number and time."""
    names = ["seed", "params", "accuracy", "LUT", "layers"]
    return frame.reindex(columns=names)[frame["state"] == "COMPLETE"].to_dict("records")


def uninterrupted(folder: Path, trials: int, **changes: Any) -> list[dict[str, Any]]:
    with opened(folder, **changes) as study:
        assert study.run(judge, trials=trials).done == trials
        return kept(study.frame())


# A child that stops inside trial `hang` and says so; argv: folder, trials, hang, sampler.
CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[5])
from test_study import judge, opened

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
        here = str(Path(__file__).parent)
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


def test_a_grid_tries_all_there_is_once_and_then_begins_again(tmp_path: Path) -> None:
    space = {"bits": IntDistribution(2, 8, step=2), "kind": CategoricalDistribution(["int", "ternary"])}
    lr = {"lr": FloatDistribution(1e-2, 1e-2)}
    rows = [row["params"] for row in uninterrupted(tmp_path / "grid", 10, sampler="grid", space={**space, **lr})]
    seen = [(row["bits"], row["kind"]) for row in rows]
    assert set(seen[:8]) == {(bits, kind) for bits in (2, 4, 6, 8) for kind in ("int", "ternary")}
    assert seen[8:] == seen[:2]


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


def test_another_fingerprint_is_refused(tmp_path: Path) -> None:
    uninterrupted(tmp_path, 1)
    content = (tmp_path / JOURNAL).read_bytes()
    network = "\n".join(f"layer {number}" for number in range(40))
    for changes, part in (
        ({"fingerprint": {"recipe": "letter", "epochs": 3}}, r"recipe was 'toy', now 'letter'"),
        ({"fingerprint": {"recipe": "toy", "epochs": 4}}, r"epochs was 3, now 4"),
        ({"fingerprint": {"recipe": "toy"}}, r"epochs was 3, now absent"),
        ({"fingerprint": {"recipe": "toy", "epochs": 3, "network": network}}, r"network was absent, now 'layer 0"),
        ({"seed": 8}, r"seed was 7, now 8"),
        ({"sampler": "random"}, r"sampler was 'tpe', now 'random'"),
        ({"objectives": OBJECTIVES[:1]}, r"objectives was 'maximize accuracy, minimize LUT', now 'maximize accuracy'"),
        ({"space": SPACE | {"bits": IntDistribution(2, 7)}}, r'space was \.\.\..*"high": 8.*"high": 7'),
        ({"anchors": [{"bits": 2}]}, r"anchors was '\[\]', now"),
    ):
        with pytest.raises(BadStudy, match=part) as raised, opened(tmp_path, **changes):
            pass
        assert "another --out" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert (tmp_path / JOURNAL).read_bytes() == content
    with opened(tmp_path, fingerprint={"epochs": 3, "recipe": "toy"}, space=dict(reversed(SPACE.items()))) as study:
        assert len(study.frame()) == 1  # order is no difference


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x)")
    connection.close()


def _foreign_journal(path: Path) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="mine")


@pytest.mark.parametrize(
    "make",
    [
        _sqlite,
        _foreign_journal,
        lambda path: path.write_text("hello"),
        lambda path: path.write_text(""),
        lambda path: path.write_text("[1]\n[2]\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 40),
        lambda path: path.write_text('{"op_code":0,"worker_id":"w","study_name":"hwcost-stu'),
    ],
    ids=["sqlite", "optuna", "text", "empty", "json", "binary", "half a first line"],
)
def test_a_foreign_file_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / JOURNAL)
    content = (tmp_path / JOURNAL).read_bytes()
    with pytest.raises(BadStudy, match="not a study of this version") as raised, opened(tmp_path):
        pass
    assert "\n" not in str(raised.value)
    assert (tmp_path / JOURNAL).read_bytes() == content


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


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "file"):
        pass
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "file" / "below"):
        pass
    (tmp_path / "taken" / JOURNAL).mkdir(parents=True)
    with pytest.raises(BadStudy, match="cannot be read"), opened(tmp_path / "taken"):
        pass
    (tmp_path / "locked" / LOCK).mkdir(parents=True)
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "locked"):
        pass


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "new").mkdir(mode=0o555)
        with opened(folder / "old") as study:
            study.run(judge, trials=1)
        content = (folder / "old" / JOURNAL).read_bytes()
        for path in (folder / "old" / JOURNAL, folder / "old" / LOCK):
            path.chmod(0o444)
        (folder / "old").chmod(0o555)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # permissions do not bind root
        try:
            for case in ("old", "new", "never made"):
                with pytest.raises(BadStudy, match="cannot be written"), opened(folder / case):
                    pass
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)
            (folder / "old").chmod(0o755)
        assert (folder / "old" / JOURNAL).read_bytes() == content


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


@pytest.mark.parametrize(
    ("outcome", "part"),
    [
        ((90.0, 100.0), "returned tuple"),
        (Outcome((90.0,)), "1 values; give one for each"),
        (Outcome(("high", 1.0)), "give numbers"),
        (Outcome((90.0, 100.0), {"net": object()}), "attribute net"),
        (Outcome((90.0, 100.0), {"params": 3}), "attribute 'params'"),
        (Outcome((90.0, 100.0), {"LUT": 101.0}), "attribute LUT = 101.0, but objective LUT = 100.0"),
    ],
)
def test_a_wrong_outcome_is_refused(tmp_path: Path, outcome: Any, part: str) -> None:
    with opened(tmp_path) as study:
        with pytest.raises(BadOption, match=part):
            study.run(lambda suggestion: outcome, trials=1)
        assert study.frame()["state"][0] == "FAIL"


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
        assert (end.done, end.stopped, end.interrupted) == (2, True, False)
        assert len(study.frame()) == 2


def test_frame(tmp_path: Path) -> None:
    columns = ["number", "state", "seed", "seconds", "reason", "params", "accuracy", "LUT"]
    big = [{"epoch": epoch, "widths": list(range(20))} for epoch in range(500)]
    assert 40_000 < len(json.dumps(big)) < 60_000

    with opened(tmp_path) as study:
        assert list(study.frame().columns) == columns
        study.run(lambda suggestion: Outcome((90, 100.0), {"epochs": big, "fits": True}), trials=1)
    with opened(tmp_path) as study:
        frame = study.frame()
    assert list(frame.columns) == [*columns, "epochs", "fits"]
    (row,) = frame.to_dict("records")
    assert row["epochs"] == big
    assert row["fits"] is True
    assert (row["accuracy"], row["LUT"], row["number"], row["state"]) == (90.0, 100.0, 0, "COMPLETE")
    assert 0 <= row["seed"] < 2**32


def test_one_objective(tmp_path: Path) -> None:
    with opened(tmp_path, objectives=OBJECTIVES[:1]) as study:
        study.run(lambda suggestion: Outcome((float(suggestion.params["bits"]),)), trials=12)
        assert [row["bits"] for row in study.frame()["params"]] == list(study.frame()["accuracy"])


@pytest.mark.parametrize("trials", [0, -1, 2.5, True])
def test_bad_number_of_trials(tmp_path: Path, trials: Any) -> None:
    with opened(tmp_path) as study, pytest.raises(BadOption, match="at least 1"):
        study.run(judge, trials=trials)


def test_bad_objectives() -> None:
    with pytest.raises(BadOption, match="direction 'up'"):
        Objective("accuracy", "up")  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="params"):
        Objective("params", "minimize")


def test_optuna_is_left_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    uninterrupted(tmp_path, 2)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr().err == ""
