"""`hwcost worker`: what it hands over, how its end is told, and that it may come before its sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hwcost.cli.worker
from hwcost.cli.worker import worker_command
from hwcost.errors import NotBegun
from hwcost.search import RunEnd

PLACE = ["--storage", "sqlite:///s.db", "--artifacts", "weights"]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `join` was called with; it ends after one trial, or as the study is named."""
    calls: list[Any] = []

    def join(storage: str, study: str, folder: Path, find: Any, **options: Any) -> RunEnd:
        calls.append((storage, study, folder, options))
        return RunEnd(1, interrupted=study == "stopped")

    monkeypatch.setattr(hwcost.cli.worker, "join", join)
    return calls


def test_it_trains_in_a_folder_named_after_the_study(joined: list[Any]) -> None:
    ended = CliRunner().invoke(worker_command, ["mine", *PLACE])
    assert (ended.exit_code, ended.output) == (0, "1 trial trained for mine\n")
    ((storage, study, folder, options),) = joined
    assert (storage, study, folder) == ("sqlite:///s.db", "mine", Path("workers") / "mine")
    assert options["artifacts"] == "weights" and options["data"] is options["recipe"] is None


def test_places_come_from_the_environment_too(joined: list[Any]) -> None:
    places = {"HWCOST_STORAGE": "sqlite:///t.db", "HWCOST_ARTIFACTS": "there"}
    ended = CliRunner().invoke(worker_command, ["mine", "--json", "--data", "sets", "--out", "o"], env=places)
    assert json.loads(ended.output) == {"study": "mine", "trained": 1, "interrupted": False}
    ((storage, _, folder, options),) = joined
    assert (storage, folder, options["artifacts"], options["data"]) == (
        "sqlite:///t.db",
        Path("o"),
        "there",
        Path("sets"),
    )


def test_without_places_and_after_ctrl_c(joined: list[Any]) -> None:
    ended = CliRunner().invoke(worker_command, ["mine", "--storage", "sqlite:///s.db"])
    assert ended.exit_code == 2 and "--artifacts" in ended.output and not joined
    ended = CliRunner().invoke(worker_command, ["stopped", *PLACE])
    assert ended.exit_code == 130 and "interrupted; its trial is returned to the study" in ended.output


def _worker(folder: Path, *more: str) -> Any:
    place = ["--storage", str(folder / "studies.journal"), "--artifacts", str(folder / "weights")]
    return CliRunner().invoke(worker_command, ["s", *place, "--json", *more])


def test_without_waiting_a_study_that_is_not_there_is_refused(tmp_path: Path) -> None:
    ended = _worker(tmp_path)
    assert isinstance(ended.exception, NotBegun) and "begin it with `hwcost sweep`" in str(ended.exception)
    ended = _worker(tmp_path / "missing")
    assert "cannot be opened" in str(ended.exception) and "give another file in a folder that exists" in str(
        ended.exception
    )


@pytest.mark.parametrize(("late", "trained"), [(3, 5), (30, None)])
def test_it_waits_for_a_sweep_as_long_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int, trained: int | None
) -> None:
    clock = iter(range(1000))
    tries: list[object] = []

    def join(*given: Any, **named: Any) -> RunEnd:
        tries.append(given)
        if len(tries) < late:
            raise NotBegun("study s: not there")
        return RunEnd(5)

    monkeypatch.setattr(hwcost.cli.worker, "join", join)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ended = _worker(tmp_path, "--wait", "10")
    if trained is None:
        assert isinstance(ended.exception, NotBegun) and len(tries) == 10
    else:
        assert json.loads(ended.output)["trained"] == trained and len(tries) == late
