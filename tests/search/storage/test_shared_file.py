"""The shared file: silent processes are found by this machine's clock, each trial goes to one, faults are told."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hwcost.errors import BadStudy
from hwcost.search.storage.database import connect, told_in_one_line
from hwcost.search.storage.shared_file import SharedFile


def _study(path: Path) -> tuple[optuna.Study, SharedFile]:
    storage = connect(str(path), 15)
    assert isinstance(storage, SharedFile) and storage.get_heartbeat_interval() == 15 and storage.grace_period == 60
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    optuna.logging.set_verbosity(verbosity)
    return study, storage


def _running(study: optuna.Study) -> optuna.trial.FrozenTrial:
    study.enqueue_trial({})
    trial = study.get_trials()[-1]
    assert study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    return trial


def test_a_trial_is_silent_once_nothing_new_was_heard_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, leader = _study(tmp_path / "s.journal")
    _, worker = _study(tmp_path / "s.journal")
    trial, now = _running(study), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def silent(after: float) -> list[int]:
        now[0] += after
        return leader._get_stale_trial_ids(study._study_id)

    assert silent(0) == silent(59) == []
    worker.record_heartbeat(trial._trial_id)
    assert silent(59) == silent(59) == []
    assert silent(2) == [trial._trial_id]
    worker.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0])
    assert silent(99) == []


def test_a_waiting_trial_goes_to_one(tmp_path: Path) -> None:
    study, one = _study(tmp_path / "s.journal")
    _, other = _study(tmp_path / "s.journal")
    study.enqueue_trial({})
    (waiting,) = study.get_trials()
    claims = [storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING) for storage in (other, one)]
    assert claims == [True, False]


@pytest.mark.parametrize("content", ["no JSON\n", '{"op_code": 0}\nno JSON\n{"op_code": 0}\n'])
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "s.journal"
    path.write_text(content + "more\nand more\n")
    with pytest.raises(BadStudy, match="cannot be opened") as told:
        connect(str(path), 15)
    assert "\n" not in str(told.value)


def test_a_file_that_breaks_later_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    study, _ = _study(path)
    with path.open("a") as file:
        file.write("no JSON\nnor this\n")
    with pytest.raises(BadStudy, match=r"s.journal: lost \("), told_in_one_line(str(path)):
        study.get_trials()
