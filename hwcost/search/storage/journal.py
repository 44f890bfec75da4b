"""The journal: one JSON line per operation, fsynced.

Optuna's journal storage and not SQLite: a kill -9 can only tear the last line, which was never acknowledged, so the
repair is to cut it off; no shared memory, and a corrupt line can be named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from hwcost.errors import BadStudy
from hwcost.search.protocol import Objective
from hwcost.search.trial_plan import plan_of, record_of

STUDY_NAME = "hwcost-study-1"  # the number counts changes of what a trial records


class Journal(BaseJournalBackend):
    """The journal file of a sole writer: read once, appended to, never left with a torn line in its middle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logs = _read(path) if path.exists() else []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        try:
            with self._path.open("ab") as file:
                size = file.tell()
                try:
                    file.write("".join(line + "\n" for line in lines).encode())
                    file.flush()
                    os.fsync(file.fileno())
                except BaseException:  # a full disk, Ctrl-C: all or nothing
                    os.truncate(self._path, size)
                    raise
        except OSError as error:
            raise BadStudy(
                f"{self._path}: cannot be written ({error.strerror}); free the disk and run again"
            ) from error
        self._logs += [json.loads(line) for line in lines]  # as a reader of the file would see them


def _read(path: Path) -> list[dict[str, Any]]:
    """All operations; a torn last line is cut off the file, anything else that is wrong is left as it is."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadStudy(f"{path}: cannot be read ({error.strerror}); name another folder") from error
    whole = content.rfind(b"\n") + 1
    logs = []
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            log = json.loads(line)
        except ValueError:
            log = None
        if number == 1 and not (isinstance(log, dict) and log.get("study_name") == STUDY_NAME):
            break
        if not isinstance(log, dict) or "op_code" not in log:
            raise BadStudy(f"{path}: line {number} is corrupt; restore the file, or delete its folder to start over")
        logs.append(log)
    if not logs:  # it was put in place whole, so this is no torn line of ours
        raise BadStudy(f"{path}: not a study of this version of hwcost; name another folder, or move the file away")
    if whole < len(content):
        try:
            os.truncate(path, whole)
        except OSError as error:
            raise BadStudy(f"{path}: its torn last line cannot be cut off ({error.strerror})") from error
    return logs


def create_journal(path: Path, identity: Mapping[str, Any], objectives: Sequence[Objective]) -> None:
    """Write beside, then rename: a journal is there with its fingerprint, or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        study = optuna.create_study(
            storage=JournalStorage(Journal(partial)),
            study_name=STUDY_NAME,
            directions=[objective.direction for objective in objectives],
        )
        study.set_user_attr("identity", dict(identity))
        partial.replace(path)
    except OSError as error:
        raise BadStudy(f"{path}: cannot be written ({error.strerror}); name another folder") from error


def load_journal(path: Path) -> optuna.Study:
    """The study in a journal, every trial of it checked; cuts a torn last line off the file."""
    journal = Journal(path)
    try:
        study = optuna.load_study(study_name=STUDY_NAME, storage=JournalStorage(journal), sampler=RandomSampler(seed=0))
        for trial in study.get_trials(deepcopy=False):
            plan_of(trial), record_of(trial)
        return study
    except Exception as error:  # Optuna replays the lines unchecked, so it may fail in any way
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadStudy(f"{path}: corrupt ({cause}); restore the file, or delete its folder to start over") from error
