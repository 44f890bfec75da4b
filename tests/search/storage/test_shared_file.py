"""A study in a file that machines share: silence by our own clock, and errors of the file as those of a storage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import TrialState

from hwcost.search.storage import shared_file
from hwcost.search.storage.shared_file import BEAT, SharedFile


def opened(folder: Path) -> SharedFile:
    return SharedFile(str(folder / "s.journal"), heartbeat_s=5, grace_period=60)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a storage reads."""
    now = [1000.0]
    monkeypatch.setattr(shared_file, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_trial_is_silent_once_no_new_sign_of_it_was_seen_for_long(tmp_path: Path, clock: list[float]) -> None:
    storage = opened(tmp_path)
    study = storage.create_new_study([StudyDirection.MINIMIZE])
    spoken, silent = storage.create_new_trial(study), storage.create_new_trial(study)
    other = opened(tmp_path)  # of another machine, with a clock of its own

    def stale() -> list[int]:
        return storage._get_stale_trial_ids(study)

    assert stale() == []
    clock[0] += 60
    other.record_heartbeat(spoken)
    assert stale() == []
    clock[0] += 1
    assert stale() == [silent]
    storage.record_heartbeat(silent)
    assert stale() == []
    clock[0] += 61
    assert stale() == [spoken, silent]
    storage.set_trial_state_values(spoken, TrialState.COMPLETE, [1.0])
    assert stale() == [silent]  # what is finished is not silent


def test_signs_of_life_are_counted_and_no_callback_is_called(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    trial = storage.create_new_trial(storage.create_new_study([StudyDirection.MINIMIZE]))
    for _ in range(3):
        storage.record_heartbeat(trial)
    assert opened(tmp_path).get_trial(trial).system_attrs[BEAT] == 3
    assert storage.get_heartbeat_interval() == 5 and storage.get_failed_trial_callback() is None  # type: ignore[func-returns-value]


def test_what_is_wrong_with_the_file_is_an_error_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "s.journal").write_text("no journal\nat all\n")
    with pytest.raises(StorageInternalError):
        opened(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        opened(tmp_path / "nowhere")
