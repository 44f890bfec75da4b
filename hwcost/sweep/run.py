"""`hwcost sweep`: a recipe and a number of trials -> a study folder with its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from hwcost.errors import BadFolding, BadOption, BadStudy, DivergedTraining, OutOfMemory
from hwcost.report import read_study, write_comparison, write_report
from hwcost.search import MARK, Crew, Outcome, Prices, RunEnd, Study, Suggestion, check_limits, lead_study, open_study
from hwcost.sweep.finalists import (
    REFIT,
    REPEATED,
    TESTED,
    Standing,
    named,
    recorded,
    refit_front,
    repeat_front,
    standing,
    survivors,
    test_front,
)
from hwcost.sweep.float_baseline import FLOAT, float_baseline, test_baseline
from hwcost.sweep.provenance import fingerprint_of, provenance
from hwcost.sweep.ramp import RECORD, stored
from hwcost.sweep.settings import Sweep
from hwcost.sweep.study_files import (
    checkpoint,
    read_measured,
    read_run,
    read_trials,
    save_net,
    write_json,
    write_text,
)
from hwcost.sweep.trial import priced_space, rehearse, run_trial
from hwcost.train.data import Data
from hwcost.train.loop import Epoch

CONFIGURATION = "config.toml"
"""The settings of the last call of a study, flags, file and defaults together."""


FAILURES = (DivergedTraining, BadFolding, OutOfMemory)
"""What a study records of a trial and survives."""


class Listener:
    """Told what happens while a sweep runs; by default it does nothing."""

    def trial_started(self, number: int) -> None:
        """A trial begins."""

    def epoch_done(self, epoch: Epoch) -> None:
        """An epoch of the running trial, or of the float baseline, ended."""

    def phase_started(self, name: str) -> None:
        """Trainings begin that are no trials of their own: the ramp, repetitions, refits."""

    def trials_added(self, count: int) -> None:
        """So many come on top of those that the call was to add."""

    def trial_done(self, done: int, standing: Standing) -> None:
        """The done-th trial of this call ended."""


@dataclass(frozen=True)
class Result:
    """What a call of `run` came to."""

    page: Path
    finished: int
    front: int
    interrupted: bool


def run(
    sweep: Sweep,
    trials: int,
    listener: Listener | None = None,
    crew: Crew | None = None,
    *,
    polish: int = 0,
    repeat: int = 0,
    refit: int = 0,
    watch: bool = False,
) -> Result:
    """Add trials to the study in `sweep.out`, making it if needed, and write its report.

    Everything finished is on disk at once: a killed call is resumed by the same call, and retries what it was at.

    Args:
        sweep: what to explore.
        trials: to add, at least 1.
        listener: told of the progress.
        crew: trains several trials at once; None trains one after the other, in this process.
        polish: rounds at the end in which the front trains on: all of it, then half as many twice as long, and so on.
        repeat: trainings of each trial of the front with other seeds, for mean and spread.
        refit: epochs that each trial of the front trains on at the very end, with the validation samples too.
        watch: write the page after every trial, and let it load itself again until the end.

    Raises:
        BadOption: rounds of polish without warm starts.
        BadStudy: the folder holds another study, is in use, corrupt, or cannot be written.
        HwcostError: what is wrong with recipe, data or part, before anything is trained or written.
    """
    if polish and sweep.warm is None:
        raise BadOption(f"polish={polish}: what trains on starts from its own weights; give --warm too")
    listener = listener or Listener()
    torch.set_num_threads(1)  # small networks gain nothing from more, and one thread is deterministic
    _ = sweep.part, sweep.objectives  # a wrong name shows before the data are read
    data = sweep.load()
    rehearse(sweep, data)
    fingerprint = fingerprint_of(sweep, data, shared=sweep.share is not None)
    prices = priced_space(sweep, data)
    if prices is not None and sweep.method == "greybox":
        check_limits(prices)
    with _open(sweep, fingerprint, prices) as study:
        if study.frame().empty:
            _forget(sweep.out)
        record = provenance(sweep, data, float_baseline(sweep, data, listener.epoch_done), fingerprint)
        write_json(sweep.out / "run.json", record)
        if sweep.configuration:
            write_text(sweep.out / CONFIGURATION, sweep.configuration)

        before = 0

        def told(done: int) -> None:
            listener.trial_done(before + done, standing(study, sweep))
            if watch:
                _report(sweep, study, running=True)

        def train(count: int) -> RunEnd:
            return study.run(
                lambda suggestion: evaluated(sweep, data, suggestion, listener),
                trials=count,
                on_trial=told,
                failures=FAILURES,
                crew=crew,
            )

        if sweep.ramp is not None and prices is not None:
            listener.phase_started("ramp")
            for params, outcome, seconds in stored(sweep, data, prices, listener.epoch_done)[study.size() :]:
                study.adopt(params, outcome, seconds)
        if watch:
            _report(sweep, study, running=True)
        progress = train(trials)
        for rung in range(1, polish + 1):
            chosen = [] if progress.interrupted else survivors(standing(study, sweep).front, sweep, rung)
            if not chosen:
                break
            for row in chosen:
                study.enqueue(row["params"], 2 ** (rung - 1))
            before += progress.done
            listener.trials_added(len(chosen))
            progress = train(len(chosen))
        test_front(sweep, data, study)
        interrupted = progress.interrupted or not _afterwards(sweep, data, study, repeat, refit, listener)
        write_json(sweep.out / "run.json", record | {"float": test_baseline(sweep, data)})
        page = _report(sweep, study)
        stands = standing(study, sweep)
    return Result(page=page, finished=stands.finished, front=len(stands.front), interrupted=interrupted)


def _afterwards(sweep: Sweep, data: Data, study: Study, times: int, epochs: int, listener: Listener) -> bool:
    """Whether all trainings of the front that were asked for are made: Ctrl-C keeps those that are."""
    try:
        if times:
            listener.phase_started("other seeds")
            repeat_front(sweep, data, study, times, FAILURES, listener.epoch_done)
        if epochs:
            listener.phase_started("with validation samples")
            refit_front(sweep, data, study, epochs, FAILURES, listener.epoch_done)
    except KeyboardInterrupt:
        return False
    return True


def publish(folder: Path, *, running: bool = False, figures: bool = False) -> Path:
    """Write the report of a study again, from what is on disk; one that loads itself again while it is `running`.

    With `figures`, also each figure of the page as files of its own.

    Raises:
        BadStudy: no study there, or a broken one.
    """
    record = read_run(folder)
    trials, measured = read_trials(folder), read_measured(folder)
    trials["LUT_measured"] = [measured.get(number, {}).get("LUT") for number in trials["number"]]
    return write_report(folder, trials, record, running=running, figures=figures)


def compare(folders: Sequence[Path], out: Path, published: Path | None = None, *, force: bool = False) -> Path:
    """Write the page that compares several studies, from what is on disk.

    Raises:
        BadStudy: as `hwcost.report.write_comparison`; a folder without a study, or named twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise BadStudy("report: a study is named twice; name each once")
    studies = {str(folder): read_study(read_trials(folder), read_run(folder)) for folder in folders}
    return write_comparison(out, studies, published, force=force)


def _open(sweep: Sweep, fingerprint: Mapping[str, str], prices: Prices | None) -> AbstractContextManager[Study]:
    meant = meant_by(sweep, prices)
    if sweep.share is not None:
        return lead_study(
            sweep.share,
            sweep.out,
            files=weights_of(sweep),
            settings=_settings(sweep),
            fingerprint=fingerprint,
            **meant,
        )
    if (sweep.out / MARK).exists():
        raise BadStudy(f"{sweep.out}: its study is in a database; give its --storage and --artifacts, or another --out")
    return open_study(sweep.out, fingerprint=fingerprint, **meant)


def meant_by(sweep: Sweep, prices: Prices | None) -> dict[str, Any]:
    """What a study is opened with, beside its place and its fingerprint."""
    return {
        "objectives": sweep.objectives,
        "seed": sweep.seed,
        "sampler": sweep.method,
        "space": sweep.recipe.space if prices is None else prices.space,
        "anchors": sweep.recipe.anchors if prices is None else (),
        "prices": prices,
        "warm": sweep.warm is not None,
    }


def weights_of(sweep: Sweep) -> Callable[[int | None], Path]:
    """Number of a trial, None for the float network -> its checkpoint."""
    return lambda number: checkpoint(sweep.out, number)


def _settings(sweep: Sweep) -> dict[str, Any]:
    """What a worker cannot know by itself; no paths of this machine but the recipe's."""
    names = ("reference", "seed", "sampler", "bits", "warm", "ramp", "device", "fps", "clock_mhz", "accelerator")
    return {name: getattr(sweep, name) for name in names} | {"limits": dict(sweep.limits)}


def evaluated(sweep: Sweep, data: Data, suggestion: Suggestion, listener: Listener) -> Outcome:
    """Train a suggestion and keep its network in the study's folder.

    Raises:
        OutOfMemory: its training asked for more memory than there is. HwcostError: as `run_trial`.
    """
    listener.trial_started(suggestion.number)
    outcome, trial = run_trial(sweep, data, suggestion, listener.epoch_done)
    save_net(trial.net, checkpoint(sweep.out, suggestion.number))
    return outcome


def _forget(folder: Path) -> None:
    """A new study beside the published report of an older one must not take its figures for its own."""
    for name in (FLOAT, TESTED, REPEATED, REFIT, RECORD):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise BadStudy(f"{folder / name}: cannot be removed ({error.strerror}); give another --out") from error


def _report(sweep: Sweep, study: Study, *, running: bool = False) -> Path:
    """Write the table with its nested columns, so that `hwcost report` needs neither recipe nor data; then the page."""
    front = {str(row["number"]) for row in standing(study, sweep).front}
    tested, repeats, refits = (
        {number: found for number, found in recorded(sweep.out / name).items() if number in front}
        for name in (TESTED, REPEATED, REFIT)
    )
    rows = [
        {name: _finite(value) for name, value in named(row).items() if name != "reason"}
        | {
            "error": _finite(row["reason"]),
            "test_accuracy": tested.get(str(row["number"])),
            "refit_accuracy": refits.get(str(row["number"]), {}).get("test_accuracy"),
        }
        | ({"repeats": repeats[str(row["number"])]} if str(row["number"]) in repeats else {})
        for row in study.frame().to_dict("records")
    ]
    write_json(sweep.out / "trials.json", {"trials": rows})
    return publish(sweep.out, running=running)


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not isfinite(value) else value
