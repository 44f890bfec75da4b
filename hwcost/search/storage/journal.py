"""The journal: one JSON line per operation, each with a checksum, fsynced.

Optuna's journal storage and not SQLite: a kill -9 or a full disk can only tear the last line, which was never
acknowledged, so the repair is to cut it off; no shared memory, and a corrupt line can be named and mended.
"""

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from shlex import quote
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from hwcost.errors import BadStudy
from hwcost.files import draft_of
from hwcost.search.storage.identity import label
from hwcost.search.storage.lines import CREATE_TRIAL, decode, encode
from hwcost.search.study_spec import StudySpec
from hwcost.search.trial_plan import check_trial

STUDY_NAME = "hwcost-study-1"  # the number counts changes of what a trial records

_note = logging.getLogger(__name__).warning


class Journal(BaseJournalBackend):
    """The journal file of a sole writer: read once, appended to, never left with a torn line in its middle.

    Args:
        path: of the file; made by the first operation where it is missing.

    Raises:
        BadStudy: it cannot be read, has a damaged line, or is no journal of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logs, self._size = _read(path) if path.exists() else ([], 0)
        self._trials = sum(log["op_code"] == CREATE_TRIAL for log in self._logs)
        self._torn = False

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, object]]) -> None:
        numbered = list(self._numbered(logs))
        content = b"".join(encode(log) for log in numbered)
        try:
            with self._path.open("ab", buffering=0) as file:  # a buffer would be flushed behind the cut
                self._append(file, content)
        except OSError as error:
            raise BadStudy(
                f"{self._path}: cannot be written ({error.strerror}); free the disk and run again"
            ) from error
        self._size += len(content)
        self._trials += sum(log["op_code"] == CREATE_TRIAL for log in logs)
        self._logs += [json.loads(json.dumps(log)) for log in numbered]  # as a reader of the file would see them

    def _numbered(self, logs: Sequence[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Operations that begin a trial say its number, so that a lost one shifts no other trial's."""
        trial = self._trials
        for log in logs:
            if log["op_code"] == CREATE_TRIAL:
                yield {**log, "trial": trial}
                trial += 1
            else:
                yield log

    def _append(self, file: FileIO, content: bytes) -> None:
        """All or nothing: on any error, Ctrl-C included, the file ends where it ended."""
        size = os.fstat(file.fileno()).st_size
        if size != self._size and not self._torn:
            raise BadStudy(f"{self._path}: changed by another program while it was open; end that, and run again")
        try:
            self._torn = True
            file.truncate(self._size)
            rest = memoryview(content)
            while rest:
                if not (written := file.write(rest)):
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                rest = rest[written:]
            os.fsync(file.fileno())
            self._torn = False
        except BaseException:
            with suppress(OSError):  # what stays behind is cut by the next attempt, or when the file is next read
                file.truncate(self._size)
            raise


def _read(path: Path) -> tuple[list[dict[str, object]], int]:
    """All operations and the bytes that they take; a torn last line is cut off the file, with a note."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadStudy(f"{path}: cannot be read ({error.strerror}); name another folder") from error
    whole = content.rfind(b"\n") + 1
    logs = []
    for number, log in enumerate(decode(content[:whole]), start=1):
        if number == 1 and log is not None and log.get("study_name") != STUDY_NAME:
            break
        if log is None:
            if number == 1 and b'"user_attr":{"identity":' not in content:
                break
            raise BadStudy(
                f"{path}: line {number} is corrupt; `hwcost doctor {quote(str(path.parent))}` drops it, says what "
                "that costs, and keeps a copy of the file"
            )
        logs.append(log)
    if not logs:  # it was put in place whole, so this is no torn line of ours
        raise BadStudy(f"{path}: not a study of this version of hwcost; name another folder, or move the file away")
    if whole < len(content):
        try:
            os.truncate(path, whole)
        except OSError as error:
            raise BadStudy(f"{path}: its torn last line cannot be cut off ({error.strerror})") from error
        _note("%s: dropped its torn last line (%d bytes); whatever it was is done again", path, len(content) - whole)
    return logs, whole


def create_journal(path: Path, spec: StudySpec) -> None:
    """Write a draft, then rename it: a journal is there with its fingerprint, or not at all.

    Raises:
        BadStudy: it cannot be written.
    """
    draft = draft_of(path)
    try:
        study = optuna.create_study(
            storage=JournalStorage(Journal(draft)),
            study_name=STUDY_NAME,
            directions=[objective.direction for objective in spec.objectives],
        )
        for _ in range(2):  # nothing else could be checked without it: no single damaged line may take it away
            study.set_user_attr("identity", spec.identity())
        label(study, spec.objectives)
        draft.replace(path)
    except OSError as error:
        raise BadStudy(f"{path}: cannot be written ({error.strerror}); name another folder") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def load_journal(path: Path) -> optuna.Study:
    """The study in a journal, every trial of it checked; cuts a torn last line off the file."""
    journal = Journal(path)
    try:
        study = optuna.load_study(study_name=STUDY_NAME, storage=JournalStorage(journal), sampler=RandomSampler(seed=0))
        for trial in study.get_trials(deepcopy=False):
            check_trial(trial)
        return study
    except Exception as error:  # Optuna replays the lines unchecked, so it may fail in any way
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadStudy(f"{path}: corrupt ({cause}); restore the file, or name another folder") from error
