"""`hwcost worker`: it may come before its sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hwcost.cli.worker
from hwcost.errors import NotBegun
from hwcost.search import RunEnd


def _worker(folder: Path, *more: str) -> Any:
    place = ["--storage", str(folder / "studies.journal"), "--artifacts", str(folder / "weights")]
    return CliRunner().invoke(hwcost.cli.worker.worker_command, ["s", *place, "--json", *more])


def test_without_waiting_a_study_that_is_not_there_is_refused(tmp_path: Path) -> None:
    ended = _worker(tmp_path)
    assert isinstance(ended.exception, NotBegun) and "begin it with `hwcost sweep`" in str(ended.exception)
    ended = _worker(tmp_path / "missing")
    assert "cannot be opened" in str(ended.exception) and "give a file in a folder that exists" in str(ended.exception)


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
