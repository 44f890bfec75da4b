"""The study folder and its ask/tell loop: Optuna proposes, the caller trains, every finished trial is on disk.

Storage is Optuna's journal (one JSON line per operation, fsynced), not SQLite: a kill -9 can only tear the last line,
which was never acknowledged, so the repair is to cut it off; no shared memory, and a corrupt line can be named.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import filelock
import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from hwcost.errors import BadOption, BadStudy, DivergedTraining, HwcostError

JOURNAL = "study.journal"
LOCK = "study.lock"
STUDY_NAME = "hwcost-study-1"  # the number counts changes of what a trial records
RETRIES = 2
NSGA2_POPULATION = 20  # Optuna's 50 would leave a study of 50 trials all random
COLUMNS = ("number", "state", "seed", "seconds", "reason", "params")


@dataclass(frozen=True)
class Objective:
    """What a trial is judged by.

    Attributes:
        name: a column of `Study.frame()`; of no other column or objective.
        direction: "minimize" or "maximize".
    """

    name: str
    direction: Literal["minimize", "maximize"]

    def __post_init__(self) -> None:
        if self.direction not in ("minimize", "maximize"):
            raise BadOption(f"objective {self.name}: direction {self.direction!r}; use 'minimize' or 'maximize'")
        if not self.name or self.name in COLUMNS:
            raise BadOption(f"objective name {self.name!r}: taken or empty; {', '.join(COLUMNS)} are columns already")


@dataclass(frozen=True)
class Suggestion:
    """A trial to evaluate.

    Attributes:
        number: of the trial in its study, from 0; a retry has a number of its own.
        params: name -> value, one for each entry of the space.
        seed: for all randomness of this trial, 0 to 2**32 - 1; a retry has that of the trial it repeats.
    """

    number: int
    params: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came out of a trial.

    Attributes:
        values: one number per objective, in their order. A NaN or an infinity makes the trial a failure.
        attributes: name -> anything that JSON can hold; columns of `Study.frame()`. Tens of kB are fine. One with the
            name of an objective must hold that objective's value.
    """

    values: Sequence[float]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnd:
    """How a call of `Study.run` ended.

    Attributes:
        done: trials that this call finished, failures included.
        interrupted: by Ctrl-C; the trial it hit is retried by the next call.
        stopped: by `stop`.
    """

    done: int
    interrupted: bool = False
    stopped: bool = False


class _Plan(NamedTuple):
    """What a trial is born with. `place` counts without retries; `died` counts the processes that died on it."""

    place: int
    died: int
    fixed: dict[str, Any]


class Study:
    """An open study; made by `open_study`."""

    def __init__(
        self,
        journal: Path,
        *,
        objectives: Sequence[Objective],
        seed: int,
        sampler: str,
        space: Mapping[str, BaseDistribution],
        anchors: Sequence[Mapping[str, Any]],
    ) -> None:
        self._journal = journal
        self._objectives = tuple(objectives)
        self._seed = seed
        self._sampler = sampler
        self._space = {name: space[name] for name in sorted(space)}  # the order decides who draws which random number
        self._anchors = [dict(anchor) for anchor in anchors]
        self._study = _load(journal)
        self._bury()

    def run(
        self,
        objective: Callable[[Suggestion], Outcome],
        *,
        trials: int,
        on_trial: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
        failures: tuple[type[HwcostError], ...] = (DivergedTraining,),
    ) -> RunEnd:
        """Add trials, an interrupted one first.

        Args:
            objective: evaluates a suggestion; the same suggestion must give the same outcome.
            trials: to finish in this call, failed and retried ones included; at least 1.
            on_trial: called after each trial with the number of trials that this call has finished.
            stop: asked before each trial; True ends the call.
            failures: errors of a trial that the study records and survives. Any other is recorded and raised again.

        Returns:
            How it ended. Ctrl-C ends it cleanly.

        Raises:
            BadOption: `trials` below 1, or an outcome that fits neither the objectives nor JSON.
            BadStudy: the folder can no longer be written.
        """
        if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
            raise BadOption(f"trials={trials!r}: ask for a whole number of trials, at least 1")
        before = self._settled()
        try:
            while (done := self._settled() - before) < trials:
                if stop is not None and stop():
                    return RunEnd(done, stopped=True)
                self._one(objective, failures)
                if on_trial is not None:
                    on_trial(self._settled() - before)
        except KeyboardInterrupt:
            self._study = _load(self._journal)  # Ctrl-C may have struck inside Optuna; what counts is on disk
            self._bury(by_user=True)
            return RunEnd(self._settled() - before, interrupted=True)
        return RunEnd(done)

    def frame(self) -> pd.DataFrame:
        """The study as a table.

        Returns:
            One row per trial: number, state ("COMPLETE", "FAIL", "RUNNING"), seed, seconds, reason (of a failure),
            params (a dict), one column per objective, one per attribute (nested lists and dicts stay whole).
        """
        trials = self._trials()
        latest = {_plan(trial).place: trial.number for trial in trials}
        rows = [self._row(trial, latest) for trial in trials if trial.state != TrialState.WAITING]
        names = [*COLUMNS, *(objective.name for objective in self._objectives)]
        names += dict.fromkeys(name for row in rows for name in row if name not in names)
        return pd.DataFrame(rows, columns=names)

    def _row(self, trial: FrozenTrial, latest: Mapping[int, int]) -> dict[str, Any]:
        plan, record = _plan(trial), _record(trial)
        reason = record.get("reason")
        if _interrupted(trial):
            successor = latest[plan.place]
            reason = f"interrupted; retried as trial {successor}" if successor > trial.number else "interrupted"
            if successor == trial.number and self._deaths(trial) > RETRIES:
                reason = f"interrupted: its process died {RETRIES + 1} times; given up"
        values = trial.values or [math.nan] * len(self._objectives)
        return {
            **record.get("attributes", {}),
            "number": trial.number,
            "state": trial.state.name,
            "seed": _seeds(self._seed, plan.place)[0],
            "seconds": record.get("seconds", math.nan),
            "reason": reason,
            "params": {name: trial.params[name] for name in self._space if name in trial.params},
            **dict(zip((objective.name for objective in self._objectives), values, strict=True)),
        }

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _settled(self) -> int:
        return sum(trial.state.is_finished() and not _interrupted(trial) for trial in self._trials())

    def _bury(self, *, by_user: bool = False) -> None:
        """Mark as failed what a process left running; without a record, so that it counts as interrupted."""
        self._study.sampler = RandomSampler(seed=0)  # told of the failure; only `_one` draws, from a sampler of its own
        for trial in self._trials():
            if trial.state != TrialState.RUNNING:
                continue
            if by_user:  # a user who presses Ctrl-C is no sign of a deadly trial
                stopped = self._study.user_attrs.get("stopped_by_user", [])
                self._study.set_user_attr("stopped_by_user", [*stopped, trial.number])
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _deaths(self, trial: FrozenTrial) -> int:
        return _plan(trial).died + (trial.number not in self._study.user_attrs.get("stopped_by_user", []))

    def _next_plan(self) -> _Plan:
        """The trial to run next: one already waiting, else a retry, else a fresh one."""
        trials = self._trials()
        for trial in trials:
            if trial.state == TrialState.WAITING:  # a process died between enqueue and ask
                return _plan(trial)
        plan = self._retry(trials) or self._fresh(trials)
        self._study.enqueue_trial(plan.fixed, user_attrs=plan._asdict())  # born with its plan in one journal line
        return plan

    def _retry(self, trials: Sequence[FrozenTrial]) -> _Plan | None:
        latest = {_plan(trial).place: trial for trial in trials}
        for trial in latest.values():
            if _interrupted(trial) and self._deaths(trial) <= RETRIES:
                plan = _plan(trial)
                complete = trial.params.keys() == self._space.keys()  # else: killed while drawing; draw again
                return _Plan(plan.place, self._deaths(trial), dict(trial.params) if complete else plan.fixed)
        return None

    def _fresh(self, trials: Sequence[FrozenTrial]) -> _Plan:
        place = 1 + max((_plan(trial).place for trial in trials), default=-1)
        return _Plan(place, 0, self._anchors[place] if place < len(self._anchors) else {})

    def _one(self, objective: Callable[[Suggestion], Outcome], failures: tuple[type[HwcostError], ...]) -> None:
        plan = self._next_plan()
        seed, sampler_seed = _seeds(self._seed, plan.place)
        self._study.sampler = _sampler(self._sampler, sampler_seed)
        trial = self._study.ask(self._space)
        _ = trial.relative_params  # lazy, and never asked for where all is fixed: NSGA-II marks its generation there
        started = time.perf_counter()

        def settle(values: Sequence[float] | None, **record: Any) -> None:
            record["seconds"] = time.perf_counter() - started
            # A JSON string: Optuna copies what it stores again and again, and a string is copied for nothing.
            trial.set_user_attr("record", json.dumps(record))
            self._study.tell(trial, values, TrialState.FAIL if values is None else None)

        try:
            outcome = objective(Suggestion(trial.number, dict(trial.params), seed))
            values = self._checked(outcome)
        except Exception as error:
            settle(None, reason=f"{type(error).__name__}: {error}")
            if isinstance(error, failures):
                return
            raise
        attributes = dict(outcome.attributes)
        wrong = [
            f"{entry.name} = {value}"
            for entry, value in zip(self._objectives, values, strict=True)
            if not math.isfinite(value)
        ]
        if wrong:
            settle(None, reason=f"not finite: {', '.join(wrong)}", attributes=attributes)
        else:
            settle(values, attributes=attributes)

    def _checked(self, outcome: Outcome) -> list[float]:
        if not isinstance(outcome, Outcome):
            raise BadOption(f"the objective returned {type(outcome).__name__}; return a hwcost.search.Outcome")
        names = [objective.name for objective in self._objectives]
        try:
            values = [float(value) for value in outcome.values]
        except (TypeError, ValueError) as error:
            raise BadOption(f"outcome values {outcome.values!r}: give numbers, one for each of {names}") from error
        if len(values) != len(names):
            raise BadOption(f"outcome of {len(values)} values; give one for each of {names}")
        expected = dict(zip(names, values, strict=True))
        for name, value in outcome.attributes.items():
            if not isinstance(name, str) or name in COLUMNS:
                raise BadOption(f"outcome attribute {name!r}: use another name; {', '.join(COLUMNS)} are taken")
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise BadOption(f"outcome attribute {name}: {error}; give plain numbers, text, lists, dicts") from error
            if name in expected and value != expected[name] and not math.isnan(expected[name]):
                raise BadOption(f"outcome attribute {name} = {value!r}, but objective {name} = {expected[name]!r}")
        return values


@contextmanager
def open_study(
    folder: Path | str,
    *,
    fingerprint: Mapping[str, str | int | float],
    objectives: Sequence[Objective],
    seed: int,
    sampler: str,
    space: Mapping[str, BaseDistribution],
    anchors: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Study]:
    """Open the study in a folder, or start one; nobody else can open it meanwhile.

    The same arguments give the same study, trial by trial, however often it was interrupted: each proposal is drawn by
    a sampler made for it alone, seeded by (seed, place of the trial), from the finished trials.

    Args:
        folder: made when missing.
        fingerprint: what the outcomes follow from (recipe, data, device...); a study goes on only with the same.
            Objectives, seed, sampler, space and anchors join it by themselves.
        objectives: at least 1.
        seed: of the study, at least 0.
        sampler: "tpe", "nsga2", "random", or "gp" where torch and scipy are installed.
        space: name -> Optuna distribution; at least 1.
        anchors: parameters of the first trials; names left out are sampled.

    Yields:
        The study.

    Raises:
        BadOption: an unknown sampler, an anchor outside the space, and the like.
        BadStudy: the folder is in use, cannot be written, or holds another, a foreign or a corrupt study.
    """
    identity = _identity(fingerprint, objectives, seed, sampler, space, anchors)
    path = Path(folder) / JOURNAL
    verbosity = optuna.logging.get_verbosity()
    with _sole_writer(path.parent):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            if not os.path.lexists(path):
                _found(path, identity, objectives)
            _compare(path, _load(path), identity)
            yield Study(path, objectives=objectives, seed=seed, sampler=sampler, space=space, anchors=anchors)
        finally:
            optuna.logging.set_verbosity(verbosity)


class _Journal(BaseJournalBackend):
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


def _found(path: Path, identity: Mapping[str, Any], objectives: Sequence[Objective]) -> None:
    """Write beside, then rename: a journal is there with its fingerprint, or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        study = optuna.create_study(
            storage=JournalStorage(_Journal(partial)),
            study_name=STUDY_NAME,
            directions=[objective.direction for objective in objectives],
        )
        study.set_user_attr("identity", dict(identity))
        partial.replace(path)
    except OSError as error:
        raise BadStudy(f"{path}: cannot be written ({error.strerror}); name another folder") from error


def _load(path: Path) -> optuna.Study:
    journal = _Journal(path)
    try:
        study = optuna.load_study(study_name=STUDY_NAME, storage=JournalStorage(journal), sampler=RandomSampler(seed=0))
        for trial in study.get_trials(deepcopy=False):
            _plan(trial), _record(trial)
        return study
    except Exception as error:  # Optuna replays the lines unchecked, so it may fail in any way
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadStudy(f"{path}: corrupt ({cause}); restore the file, or delete its folder to start over") from error


def _compare(path: Path, study: optuna.Study, identity: Mapping[str, Any]) -> None:
    stored = study.user_attrs.get("identity")
    if not isinstance(stored, dict):
        raise BadStudy(f"{path}: has no fingerprint; restore the file, or delete its folder to start over")
    names = [name for name in {**stored, **identity} if stored.get(name) != identity.get(name)]
    if names:
        differ = "; ".join(f"{name} was {_around(stored, identity, name)}" for name in names)
        raise BadStudy(
            f"{path.parent}: holds another study: {differ}; give another --out, or delete this folder to start over"
        )


def _around(stored: Mapping[str, Any], given: Mapping[str, Any], name: str) -> str:
    """Both values on one line; long ones from shortly before where they part."""
    old, new = (repr(values[name]) if name in values else "absent" for values in (stored, given))
    parting = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = 0 if max(len(old), len(new)) <= 80 else max(0, parting - 20)
    shown = ["..." * (start > 0) + text[start : start + 60] + "..." * (len(text) > start + 60) for text in (old, new)]
    return f"{shown[0]}, now {shown[1]}"


@contextmanager
def _sole_writer(folder: Path) -> Iterator[None]:
    """A lock of the kernel: kill -9 releases it."""
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise BadStudy(f"{folder}: in use by another process; wait for it, or give another --out") from error
    except OSError as error:
        raise BadStudy(f"{folder}: cannot be written ({error.strerror}); give another --out") from error
    try:
        yield
    finally:
        lock.release()


def _identity(
    fingerprint: Mapping[str, str | int | float],
    objectives: Sequence[Objective],
    seed: int,
    sampler: str,
    space: Mapping[str, BaseDistribution],
    anchors: Sequence[Mapping[str, Any]],
) -> dict[str, str | int | float]:
    """Check all that makes a study, and put it into one flat record."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadOption(f"seed={seed!r}: give a whole number, at least 0")
    names = [objective.name for objective in objectives]
    if not names or len(set(names)) != len(names):
        raise BadOption(f"objectives {names}: give at least one, each once")
    _sampler(sampler, 0)
    if not space:
        raise BadOption("space: empty; give name -> Optuna distribution, at least one")
    ours: dict[str, str | int | float] = {
        "objectives": ", ".join(f"{objective.direction} {objective.name}" for objective in objectives),
        "seed": seed,
        "sampler": sampler,
        "space": json.dumps({name: _stored(name, space[name]) for name in sorted(space)}),
        "anchors": json.dumps([_anchor(anchor, space) for anchor in anchors], sort_keys=True),
    }
    for name, value in fingerprint.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise BadOption(f"fingerprint {name}={value!r}: give text or a finite number")
    return {**{f"{name} (given)" if name in ours else name: value for name, value in fingerprint.items()}, **ours}


def _stored(name: str, distribution: BaseDistribution) -> Any:
    try:
        text = distribution_to_json(distribution)
        same = json_to_distribution(text) == distribution
    except (TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise BadOption(f"space {name}: {distribution!r} does not survive JSON; use plain numbers, text, or booleans")
    return json.loads(text)


def _anchor(anchor: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    unknown = sorted(set(anchor) - set(space))
    if unknown:
        raise BadOption(f"anchor {dict(anchor)}: {unknown} not in the space; it has {sorted(space)}")
    try:
        create_trial(
            state=TrialState.RUNNING, params=dict(anchor), distributions={name: space[name] for name in anchor}
        )
    except (TypeError, ValueError) as error:
        raise BadOption(f"anchor {dict(anchor)}: outside the space: {error}") from error
    return dict(anchor)


def _sampler(name: str, seed: int) -> BaseSampler:
    """A fresh sampler: what it proposes follows from the finished trials and the seed, so a resumed study goes on
    as if it had never stopped. QMC and grid keep a counter in the study that a retry would move, so they are not here.
    """
    samplers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=seed),
        "nsga2": lambda: NSGAIISampler(population_size=NSGA2_POPULATION, seed=seed),
        "random": lambda: RandomSampler(seed=seed),
    }
    if all(importlib.util.find_spec(module) for module in ("torch", "scipy")):
        samplers["gp"] = lambda: GPSampler(seed=seed)
    if name not in samplers:
        raise BadOption(f"sampler {name!r}: unknown; use one of {', '.join(samplers)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # GP before Optuna 5
        return samplers[name]()


def _seeds(seed: int, place: int) -> tuple[int, int]:
    """Of the trial, and of the sampler that proposes it: two independent streams."""
    trial, sampler = np.random.SeedSequence((seed, place)).generate_state(2)
    return int(trial), int(sampler)


def _plan(trial: FrozenTrial) -> _Plan:
    return _Plan(**{name: trial.user_attrs[name] for name in _Plan._fields})


def _record(trial: FrozenTrial) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(trial.user_attrs.get("record", "{}"))
    return record


def _interrupted(trial: FrozenTrial) -> bool:
    """Failed for no reason of its own; a record without a reason says that the process died just before `tell`."""
    return trial.state == TrialState.FAIL and "reason" not in _record(trial)
