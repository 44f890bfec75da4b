"""`hwcost sweep`: a recipe and its settings -> a study folder with its report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from hwcost.errors import BadStudy
from hwcost.report.schema import PartRecord
from hwcost.search import Crew, RunEnd
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import REFIT, REPEATED, TESTED, measure_on_test
from hwcost.sweep.float_baseline import FLOAT, float_baseline, measure_baseline_on_test
from hwcost.sweep.further_parts import PRICED, fronts_on_parts
from hwcost.sweep.listener import Listener
from hwcost.sweep.provenance import provenance
from hwcost.sweep.ramp import RECORD, stored
from hwcost.sweep.session import Session, session
from hwcost.sweep.settings import MOST
from hwcost.sweep.study_files import write_json, write_text

CONFIGURATION = "config.toml"
"""The settings of the last call of a study, flags, file and defaults together; `--config` takes it."""


@dataclass(frozen=True)
class Result:
    """The end of a call.

    Attributes:
        page: path of the report.
        finished: finished trials of the study.
        front: non-dominated ones among them.
        interrupted: by Ctrl-C.
        parts: fronts on the further parts of the settings.
    """

    page: Path
    finished: int
    front: int
    interrupted: bool
    parts: tuple[PartRecord, ...] = ()


def run(
    experiment: Experiment, listener: Listener | None = None, crew: Crew | None = None, *, command: str | None = None
) -> Result:
    """Add trials to the study of an experiment, making it if needed, and write its report.

    Every finished trial is on disk at once: after a kill, the same call resumes the study and retries the trial that it
    hit. PyTorch computes on one thread during the call.

    Args:
        experiment: what is explored; its settings say how many trials are added.
        listener: hears of the progress.
        crew: trains several trials at once; None trains one after the other, in this process.
        command: that called, for the record; None for a call from Python.

    Raises:
        BadStudy: the folder holds another study, is in use, corrupt, or cannot be written.
        HwcostError: what is wrong with recipe, data or part, before anything is trained or written.
    """
    out, settings, began = experiment.settings.out, experiment.settings, time.monotonic()
    spent = time.process_time()
    with session(experiment, listener, crew) as opened:
        study, data = opened.study, opened.data
        if study.frame().empty:
            _forget(out)
        baseline = float_baseline(experiment, data, opened.listener.epoch_done)
        record = provenance(experiment, data, baseline, opened.fingerprint, command)
        if opened.input_step is not None:
            record["data"]["step"] = opened.input_step
        write_json(out / "run.json", record)
        write_text(out / CONFIGURATION, tomli_w.dumps({"sweep": settings.to_dict()}))
        lone = settings.time_s if settings.ramp_alone else None
        _adopt_ramp(opened, None if lone is None else lone - (time.process_time() - spent))
        if settings.watch:
            opened.report(running=True)
        until = None if settings.time_s is None else began + settings.time_s
        end = RunEnd(0) if settings.ramp_alone else opened.train(settings.bound or MOST, until)
        measure_on_test(experiment, data, study)
        record["float"] = measure_baseline_on_test(experiment, data)
        record["parts"] = fronts_on_parts(experiment, data, study)
        write_json(out / "run.json", record)
        return result_of(opened, record["parts"], interrupted=end.interrupted)


def result_of(opened: Session, parts: Sequence[PartRecord] = (), *, interrupted: bool) -> Result:
    """Write the report of an open study, and sum it up."""
    page, stands = opened.report(), opened.standing()
    return Result(
        page=page, finished=stands.finished, front=len(stands.front), interrupted=interrupted, parts=tuple(parts)
    )


def _adopt_ramp(opened: Session, seconds: float | None) -> None:
    """Let the points of the ramp join the study as its first trials, where the settings ask for one.

    Args:
        opened: the study.
        seconds: of the CPU that are left for a ramp without other trials; None for all of its epochs.
    """
    if opened.experiment.settings.ramp is None:
        return
    opened.listener.phase_started("ramp")
    found = stored(opened.experiment, opened.data, opened.prices, opened.listener.epoch_done, seconds=seconds)
    for params, outcome, seconds in found[opened.study.size() :]:
        opened.study.adopt(params, outcome, seconds)


def _forget(folder: Path) -> None:
    """Remove the figures of an older study whose published report is in the folder of a new one."""
    for name in (FLOAT, TESTED, REPEATED, REFIT, RECORD, PRICED):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise BadStudy(f"{folder / name}: cannot be removed ({error.strerror}); give another --out") from error
