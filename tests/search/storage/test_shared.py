"""Studies in a database: trials planned by one process, trained by any, each settled once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from hwcost.errors import BadOption, BadStudy
from hwcost.search import Objective, Outcome, Share, StudySpec, Suggestion, join_study, lead_study, open_study
from hwcost.search.storage.artifacts import Weights
from hwcost.search.storage.database import close, connect
from hwcost.search.storage.shared_study import SharedStudy

COMMAND = Path(sys.executable).with_name("hwcost")
MEANT = StudySpec(
    objectives=(Objective("loss", "minimize"),),
    seed=3,
    sampler="random",
    space={"x": IntDistribution(0, 1000)},
    anchors=({"x": 7},),
)


def meant(code: str) -> StudySpec:
    return replace(MEANT, fingerprint={"code": code})


def evaluated(suggestion: Suggestion) -> Outcome:
    return Outcome((float(suggestion.params["x"]),), {"double": 2 * suggestion.params["x"]})


def url_of(folder: Path) -> str:
    return str(folder / "studies.journal") if PLACE == ["file"] else f"sqlite:///{folder / 'studies.db'}"


PLACE = ["database"]


@pytest.fixture(params=["database", "file"])
def anywhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """The study in a database, and in a file."""
    PLACE[:] = [request.param]
    yield
    PLACE[:] = ["database"]


@contextmanager
def led(folder: Path, fingerprint: str = "same", artifacts: str | None = None) -> Iterator[SharedStudy]:
    """The study of a test, with weights for its float network."""
    out = folder / "study"
    share = Share(url_of(folder), artifacts or str(folder / "weights"), 1)
    files = lambda number: out / "checkpoints" / f"{number}.pt"  # noqa: E731
    with lead_study(share, out, meant(fingerprint), files=files, settings={}) as study:
        files(None).parent.mkdir(exist_ok=True)
        files(None).write_text("float")
        yield study


@contextmanager
def joined(folder: Path, name: str = "a", fingerprint: str = "same", weights: str | None = None) -> Iterator[Any]:
    out = folder / name
    with join_study(url_of(folder), "study", out) as found:
        files = lambda number: out / f"{number}.pt"  # noqa: E731
        where = weights or str(folder / "weights")
        yield found.agree(meant(fingerprint), artifacts=where, files=files)


def figures(study: Any) -> list[tuple[int, int, float]]:
    rows = study.frame()
    rows = rows[rows["state"] == "COMPLETE"]
    return sorted((row["seed"], row["params"]["x"], row["loss"]) for row in rows.to_dict("records"))


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_a_led_study_has_the_trials_of_one_in_a_folder(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=4)
        assert study.run(evaluated, trials=2).done == 2
        found = figures(study)
    with open_study(tmp_path / "alone", MEANT) as alone:
        alone.run(evaluated, trials=6)
        assert figures(alone) == found and len(found) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_a_silent_trial_is_planned_again_and_its_late_result_dropped(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=1)
        study._plan(2)
        with joined(tmp_path) as other:
            trial, suggestion = other._claim()
            close(other._storage)
            assert study._trials()[1].state == TrialState.RUNNING
            study._storage.grace_period = -1  # as if it had been silent for long; only the leader decides on it
            study._plan(2)
            study._storage.grace_period = 60
            other._settle(trial, time.perf_counter(), evaluated(suggestion), ())  # it lived after all
        study.run(evaluated, trials=1)
        rows = study.frame()
        assert list(rows["state"]) == ["COMPLETE", "FAIL", "COMPLETE"]
        assert rows["reason"][1] == "interrupted; retried as trial 2"
        assert rows["seed"][1] == rows["seed"][2] and rows["params"][1] == rows["params"][2]


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_a_trial_that_is_taken_back_while_it_is_drawn_is_left_alone(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study._plan(2)
        drawn, taken = study._drawn, []

        def taken_back(place: int, ask: Any) -> Any:
            if not taken:
                taken.append(place)
                (mine,) = study._alive
                study._release(mine)  # as the leader does with one that fell silent
            return drawn(place, ask)

        study._drawn = taken_back  # type: ignore[method-assign]
        trial, suggestion = study._claim() or (None, None)
        assert trial is not None and suggestion is not None and suggestion.number == 1 and taken == [0]
        assert study._alive == {trial.number}
        study._settle(trial, time.perf_counter(), evaluated(suggestion), ())
        study.run(evaluated, trials=1)
        places = [trial.user_attrs["place"] for trial in study._trials()]
        assert places.count(0) == 2  # it was planned again


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_no_planned_trial_goes_to_two(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=1)
        study._plan(4)
        with joined(tmp_path) as one, joined(tmp_path, "b") as two:
            claimed = [process._claim() for process in (one, two, one, two)]
            numbers = [found[1].number for found in claimed if found]
            assert numbers == [1, 2, 3] and claimed[-1] is None


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_more_open_trials_than_wanted_are_withdrawn_and_come_again(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study._plan(5)
        assert study.run(evaluated, trials=2).done == 2
        assert len(figures(study)) == 2
        for _ in range(4):  # a withdrawn trial is no deadly one, however often
            study._plan(5)
            study._plan(2)
        study.run(evaluated, trials=3)
        assert len({seed for seed, _, _ in figures(study)}) == 5
        places = {trial.user_attrs["place"] for trial in study._trials()}
        assert places == set(range(5))


@pytest.mark.slow
@pytest.mark.usefixtures("anywhere")
def test_a_worker_ends_with_its_leader(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=1)
        study._plan(3)
        with joined(tmp_path) as other:
            assert other.work(evaluated).done == 2  # "open" is False: nobody plans more
        study._study.set_user_attr("open", True)  # and its process is killed
        with joined(tmp_path) as other:
            other._seen = None, time.monotonic() - 100
            other._study.set_user_attr("beat", ["dead", 1])
            other._seen = ["dead", 1], time.monotonic() - 100
            assert other.work(evaluated).done == 0


def test_a_second_leader_is_refused(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=1)
        study._study.set_user_attr("open", True)
        reads = iter(range(1000))
        known = study._study
        type_of_attrs = {"open": True}

        class Beating:
            study_name = "study"

            @property
            def user_attrs(self) -> dict[str, Any]:
                return type_of_attrs | {"beat": ["other", next(reads)]}

        study._study = Beating()  # type: ignore[assignment]
        with pytest.raises(BadStudy, match="another `hwcost sweep` leads it; join it with `hwcost worker`"):
            study.check_not_led()
        study._study = known


@pytest.mark.usefixtures("anywhere")
def test_weights_reach_everyone(tmp_path: Path) -> None:
    with led(tmp_path) as study:

        def trained(suggestion: Suggestion) -> Outcome:
            study._files(suggestion.number).write_text(f"weights {suggestion.number}")
            return evaluated(suggestion)

        study.run(trained, trials=2)
        with joined(tmp_path) as other:
            other.fetch(1)
            assert (tmp_path / "a" / "1.pt").read_text() == "weights 1"
            assert (tmp_path / "a" / "None.pt").read_text() == "float"
        (tmp_path / "elsewhere").mkdir()
        with (
            pytest.raises(BadStudy, match=r"no weights for None.pt; set HWCOST_ARTIFACTS"),
            joined(tmp_path, "b", weights=str(tmp_path / "elsewhere")),
        ):
            pass


@pytest.mark.usefixtures("anywhere")
def test_what_differs_is_refused(tmp_path: Path) -> None:
    with led(tmp_path) as study:
        study.run(evaluated, trials=1)
    with pytest.raises(BadStudy, match="code was 'same', now 'other'; bring code"), led(tmp_path, "other"):
        pass
    with pytest.raises(BadStudy, match="code was 'same', now 'other'"), joined(tmp_path, fingerprint="other"):
        pass
    with (
        pytest.raises(BadStudy, match=r"study none: not in .*which has study"),
        join_study(url_of(tmp_path), "none", tmp_path),
    ):
        pass
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "shared.json").write_text(json.dumps({"study": "x", "token": "y"}))
    with pytest.raises(BadStudy, match="belongs to another shared study"), joined(tmp_path):
        pass


def test_bad_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = (f"{kind}://me:secret@127.0.0.1:1/none" for kind in ("postgresql", "mysql", "mariadb"))
    for url in ("nonsense", *servers, f"sqlite:///{tmp_path}/no/such.db"):
        share = Share(url, str(tmp_path / "weights"))
        with (
            pytest.raises(BadStudy, match=r"cannot be opened|no driver") as told,
            lead_study(share, tmp_path / "s", MEANT, files=Path, settings={}),  # type: ignore[arg-type]
        ):
            pass
        assert "secret" not in str(told.value)
    for driver, url, remedy in (
        ("psycopg", "postgresql://me:secret@here/x", "pip install 'hwcost[postgres]'"),
        ("pymysql", "mysql://me:secret@here/x", "pip install 'hwcost[mysql]'"),
        ("cx_Oracle", "oracle://me:secret@here/x", "no driver"),
    ):
        monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
        with pytest.raises(BadStudy, match=re.escape(remedy)) as told:
            connect(url, 15)
        assert "secret" not in str(told.value)
    with pytest.raises(BadOption, match="neither a folder nor s3://BUCKET"):
        Weights("ftp://there")
    (tmp_path / "file").touch()
    with pytest.raises(BadStudy, match="cannot be made"):
        Weights(str(tmp_path / "file"))


@pytest.mark.slow
def test_the_commands(tmp_path: Path) -> None:
    """A sweep and a worker in two folders: figures and front of a sweep of one process, and no folder is mixed up."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        code = Path(tiny_recipe.__file__).read_text().replace("epochs=6,", "epochs=40,")
        (tmp_path / folder / "tiny.py").write_text(code)
    shared = ["sweep", "tiny.py:recipe", "--out", "s", "--sampler", "random", "--trials", "14", "--quiet"]
    place = {"HWCOST_STORAGE": url_of(tmp_path), "HWCOST_ARTIFACTS": str(tmp_path / "weights"), "HWCOST_HEARTBEAT": "2"}
    here = os.environ | place
    with subprocess.Popen([COMMAND, *shared], cwd=tmp_path / "here", stdout=subprocess.PIPE, env=here) as leader:
        while not (tmp_path / "weights").exists() or not list((tmp_path / "weights").iterdir()):
            assert leader.poll() is None
            time.sleep(0.1)
        time.sleep(0.5)
        worker = subprocess.run(
            [COMMAND, "worker", "s", "--storage", url_of(tmp_path), "--artifacts", str(tmp_path / "weights"), "--json"],
            cwd=tmp_path / "there",
            capture_output=True,
            text=True,
            check=False,
        )
        assert worker.returncode == 0, worker.stderr
        assert leader.wait(120) == 0
    told = json.loads(worker.stdout)
    assert told["study"] == "s" and told["trained"] > 0 and not told["interrupted"]
    shutil.copy(tmp_path / "here" / "tiny.py", tmp_path / "tiny.py")
    subprocess.run([COMMAND, *shared], cwd=tmp_path, check=True, capture_output=True)

    def rows(study: Path) -> list[tuple[Any, ...]]:
        found = json.loads((study / "trials.json").read_text())["trials"]
        names = ("seed", "state", "accuracy", "LUT", "test_accuracy")
        return sorted(tuple(row[name] for name in names) for row in found)

    assert rows(tmp_path / "here" / "s") == rows(tmp_path / "s")
    again = subprocess.run([COMMAND, *shared], cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert again.returncode == 2 and "its study is in a database; set HWCOST_STORAGE" in again.stderr


def test_a_locked_database_is_waited_for_and_then_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwcost.search.storage.database.SQLITE_WAIT_S", 0.2)
    with led(tmp_path) as study:
        study.run(evaluated, trials=2)
    with closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BadStudy, match="database is locked"), led(tmp_path) as study:
            study.run(evaluated, trials=2)
        other.execute("ROLLBACK")
    with led(tmp_path) as study:
        assert study.run(evaluated, trials=2).done == 2
        assert len(figures(study)) == 4


@pytest.mark.slow
def test_a_database_locked_in_mid_run_loses_no_finished_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwcost.search.storage.database.SQLITE_WAIT_S", 0.2)
    with closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None)) as other:

        def locked(suggestion: Suggestion) -> Outcome:
            if suggestion.number == 2:
                other.execute("BEGIN EXCLUSIVE")
            return evaluated(suggestion)

        with pytest.raises(BadStudy, match="database is locked"), led(tmp_path) as study:
            study.run(locked, trials=4)
        other.execute("ROLLBACK")
    monkeypatch.setattr("hwcost.search.storage.shared_study.SILENT_BEATS", 1)  # nobody beats any more
    time.sleep(1.1)
    with led(tmp_path) as study:
        study._storage.grace_period = 1
        study.run(evaluated, trials=2)
        rows = figures(study)
    with open_study(tmp_path / "alone", MEANT) as alone:
        alone.run(evaluated, trials=4)
        assert figures(alone) == rows
