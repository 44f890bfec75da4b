"""The mending of a damaged journal: what is sound stays, what is not is dropped, named, and trained again."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from hwcost.errors import BadStudy
from hwcost.files import draft_of, parse_json
from hwcost.search.storage.journal import STUDY_NAME, load_journal
from hwcost.search.storage.lines import (
    CREATE_STUDY,
    CREATE_TRIAL,
    SET_PARAMETER,
    SET_STATE,
    SET_STUDY_ATTRIBUTE,
    SET_TRIAL_ATTRIBUTE,
    decode,
    encode,
)
from hwcost.search.storage.local import JOURNAL, sole_writer

Log = Mapping[str, Any]

LOST = "the line of the journal that began it was damaged"
"""Reason of a failed trial that takes the number of one of which nothing is known."""


@dataclass(frozen=True)
class Repair:
    """The outcome of a repair.

    Attributes:
        backup: the damaged file, kept.
        dropped: what was dropped and what it costs, a sentence each.
    """

    backup: Path
    dropped: tuple[str, ...]


def repair_journal(folder: Path) -> Repair | None:
    """Mend the journal of a study folder; None where nothing is wrong with it.

    A trial keeps its figures only where every line of it is sound: otherwise the next sweep trains it again, with the
    same parameters and seed where these are still known.

    Raises:
        BadStudy: there is no journal, it is in use, it cannot be read or written, or too much of it is gone.
    """
    path = folder / JOURNAL
    if not path.is_file():
        raise BadStudy(f"{folder}: no {JOURNAL} there; name a folder that `hwcost sweep` wrote")
    with sole_writer(folder):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadStudy(f"{path}: cannot be read ({error.strerror}); mend that first") from error
        whole = content.rfind(b"\n") + 1
        logs = list(decode(content[:whole]))
        torn = len(content) - whole
        if not torn and None not in logs:
            load_journal(path)
            return None
        mended = _Mended(path, logs)
        if torn:
            mended.dropped.insert(0, f"the torn last line ({torn} bytes)")
        return Repair(_exchange(path, b"".join(map(encode, mended.logs))), tuple(mended.dropped))


def _exchange(path: Path, content: bytes) -> Path:
    """Put the mended journal in place once it has been read back; the name that the damaged one has now."""
    draft = draft_of(path)
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        load_journal(draft)
        for number in range(1, 1000):
            backup = path.with_name(f"{path.name}.damaged-{number}")
            with suppress(FileExistsError):
                os.link(path, backup)
                draft.replace(path)
                return backup
        raise BadStudy(f"{path}: repaired 999 times already; remove some of {path.name}.damaged-*")
    except OSError as error:
        raise BadStudy(f"{path}: cannot be written ({error.strerror}); free the disk and run again") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


class _Mended:
    """The sound operations of a journal, completed so that they mean what they meant.

    Args:
        path: of the journal, for messages.
        found: its operations in order, None for a damaged line.

    Attributes:
        logs: of the mended journal. dropped: as in `Repair`.
    """

    def __init__(self, path: Path, found: Sequence[Log | None]) -> None:
        self.dropped = [f"line {number}: damaged" for number, log in enumerate(found, start=1) if log is None]
        self._path = path
        self._sound = [log for log in found if log is not None]
        identity = _identity(path, self._sound)
        self._space = set(parse_json(identity["space"]))
        self._anchors: list[dict[str, Any]] = parse_json(identity["anchors"])
        if self._sound[0]["op_code"] != CREATE_STUDY:
            self._sound.insert(0, _founding(identity))
        completed = list(self._completed())
        unsound = self._unsound(completed)
        self.logs = [
            log
            for log in completed
            if not (log["op_code"] == SET_STATE and log["trial_id"] in unsound and _finished(log))
        ]

    def _completed(self) -> Iterator[Log]:
        """All operations, with one that begins a trial where that is lost, and without those on such a trial."""
        beginnings = [log for log in self._sound if log["op_code"] == CREATE_TRIAL]
        known = sorted({log["user_attrs"]["place"] for log in beginnings})
        begun, place, lost = 0, -1, set()
        for log in self._sound:
            begins = log["op_code"] == CREATE_TRIAL
            for trial in range(begun, log.get("trial", begun) if begins else log.get("trial_id", -1) + 1):
                if not all("trial" in one for one in beginnings):
                    raise BadStudy(f"{self._path}: the beginning of a trial is lost, nobody knows of which; restore it")
                missing = place + 1 not in known or place < 0
                place += missing
                lost.add(trial)
                begun = trial + 1
                yield self._beginning(trial, place, again=missing)
            if begins:
                begun, place = begun + 1, max(place, log["user_attrs"]["place"])
            if log.get("trial_id") not in lost:
                yield log

    def _beginning(self, trial: int, place: int, *, again: bool) -> Log:
        """The operation that begins a trial, of which another was the first of its place where not `again`."""
        now = datetime.now().isoformat()
        fixed = self._anchors[place] if again and place < len(self._anchors) else {}
        plan = {"place": place, "died": 0, "fixed": fixed, "polish": 0}
        began = {"op_code": CREATE_TRIAL, "worker_id": "repair", "study_id": 0, "datetime_start": now, "trial": trial}
        if again:
            self.dropped.append(f"trial {trial}: its beginning is lost")
            return {**began, "user_attrs": plan}
        self.dropped.append(f"trial {trial}: its beginning is lost, and what it repeated; recorded as failed")
        record = json.dumps({"reason": LOST, "seconds": 0.0})
        failed = {"state": TrialState.FAIL.value, "datetime_complete": now, "user_attrs": {**plan, "record": record}}
        return {**began, **failed}

    def _unsound(self, logs: Sequence[Log]) -> set[int]:
        """Trials that succeeded, as far as their last line tells, without all of their parameters and their record."""
        begun, ended, recorded = dict[int, bool](), dict[int, bool](), set[int]()
        parameters: dict[int, set[str]] = {}
        for log in logs:
            if log["op_code"] == CREATE_TRIAL:
                begun[len(begun)] = _finished(log)
            elif log["op_code"] == SET_PARAMETER:
                parameters.setdefault(log["trial_id"], set()).add(log["param_name"])
            elif log["op_code"] == SET_TRIAL_ATTRIBUTE and "record" in log["user_attr"]:
                recorded.add(log["trial_id"])
            elif log["op_code"] == SET_STATE and _finished(log):
                ended[log["trial_id"]] = log["state"] == TrialState.COMPLETE.value
        unsound = {
            trial
            for trial, succeeded in ended.items()
            if succeeded and not (trial in recorded and parameters.get(trial, set()) >= self._space)
        }
        for trial, whole in begun.items():
            if not whole and (trial in unsound or trial not in ended):
                self.dropped.append(f"trial {trial}: not complete; the next sweep trains it again")
        return unsound


def _finished(log: Log) -> bool:
    return "state" in log and TrialState(log["state"]).is_finished()


def _identity(path: Path, logs: Sequence[Log]) -> Mapping[str, Any]:
    for log in logs:
        if log["op_code"] == SET_STUDY_ATTRIBUTE and isinstance(log["user_attr"].get("identity"), dict):
            return dict(log["user_attr"]["identity"])
    raise BadStudy(f"{path}: no fingerprint of a study is left in it; restore the file, or sweep into another folder")


def _founding(identity: Log) -> Log:
    """The first operation again, which follows from the fingerprint."""
    directions = [1 if one.startswith("minimize ") else 2 for one in identity["objectives"].split(", ")]
    return {"op_code": CREATE_STUDY, "worker_id": "repair", "study_name": STUDY_NAME, "directions": directions}
