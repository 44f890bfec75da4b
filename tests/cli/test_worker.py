"""`hwcost worker`: what it hands over, and how its end is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hwcost.cli import worker
from hwcost.cli.worker import worker_command
from hwcost.search import RunEnd

PLACE = ["--storage", "sqlite:///s.db", "--artifacts", "weights"]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `join` was called with; it ends after one trial, or as the study is named."""
    calls: list[Any] = []

    def join(storage: str, study: str, folder: Path, find: Any, **options: Any) -> RunEnd:
        calls.append((storage, study, folder, options))
        return RunEnd(1, interrupted=study == "stopped")

    monkeypatch.setattr(worker, "join", join)
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
