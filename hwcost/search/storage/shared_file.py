"""A shared study in one file, for machines that share a folder and have no database, such as the nodes of a cluster."""

import time
from collections.abc import Generator
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage
from optuna.storages._heartbeat import BaseHeartbeat  # what `fail_stale_trials` looks for; Optuna has no public name
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

BEAT = "hwcost:beat"
"""Attribute of a trial: signs of life that its process has given."""


class _Lines(JournalFileBackend):
    """Reports what is wrong with the file as Optuna reports what is wrong with a database."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        try:
            yield from super().read_logs(log_number_from)
        except (OSError, ValueError) as error:
            raise StorageInternalError(str(error)) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError as error:
            raise StorageInternalError(str(error)) from error


class SharedFile(JournalStorage, BaseHeartbeat):
    """Optuna's journal, locked by a link in its folder, which works on NFS; with signs of life.

    Clocks of machines differ, so a trial counts as silent once this process has seen no new sign of it for long.

    Args:
        path: of the file, made when missing; its folder exists.
        heartbeat_s: seconds between two signs of life.
        grace_period: seconds of silence after which a process counts as dead.

    Raises:
        OSError: the file cannot be made. StorageInternalError: it is no journal.
    """

    def __init__(self, path: str, *, heartbeat_s: int, grace_period: float) -> None:
        self._heartbeat_s, self.grace_period = heartbeat_s, grace_period
        self._heard: dict[int, tuple[object, float]] = {}
        super().__init__(_Lines(path))

    def record_heartbeat(self, trial_id: int) -> None:
        """Give a sign of life."""
        before = self.get_trial(trial_id).system_attrs.get(BEAT, 0)
        self.set_trial_system_attr(trial_id, BEAT, before + 1)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        now, silent = time.monotonic(), []
        for trial in self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            beat = trial.system_attrs.get(BEAT)
            if self._heard.get(trial._trial_id, (None, now))[0] != beat or trial._trial_id not in self._heard:
                self._heard[trial._trial_id] = beat, now
            if now - self._heard[trial._trial_id][1] > self.grace_period:
                silent.append(trial._trial_id)
        return silent

    def get_heartbeat_interval(self) -> int | None:
        """Seconds between two signs of life."""
        return self._heartbeat_s

    def get_failed_trial_callback(self) -> None:
        """Nothing is called for a silent trial; the leader plans it again."""

    get_heartbeat_stale_trial_callback = get_failed_trial_callback
