"""Pages of studies: the table of trials written down, the report of one study, the comparison of several."""

import logging
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, cast

from hwcost.errors import BadStudy
from hwcost.report import TrialRecord, read_study, write_comparison, write_report
from hwcost.search import Study
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import REFIT, REPEATED, TESTED, entry_of, recorded
from hwcost.sweep.float_baseline import float_checkpoint
from hwcost.sweep.standing import named, standing
from hwcost.sweep.study_files import TRIALS, checkpoint, read_measured, read_run, read_trials, write_json

_note = logging.getLogger(__name__).warning


def report(experiment: Experiment, study: Study, *, running: bool = False) -> Path:
    """Write the table of trials with its nested columns, then the page.

    `hwcost report` then needs neither recipe nor data.

    Args:
        experiment: of the study.
        study: open.
        running: whether trials are still to come.

    Returns:
        The path of the page.
    """
    write_table(experiment, study)
    return publish(experiment.settings.out, running=running)


def write_table(experiment: Experiment, study: Study) -> None:
    """Write the table of trials with its nested columns, as in `report`."""
    out = experiment.settings.out
    front = standing(study, experiment).front
    tested, repeats, refits = (
        {int(row["number"]): found for row in front if (found := entry_of(records, row)) is not None}
        for records in (recorded(out / name) for name in (TESTED, REPEATED, REFIT))
    )
    rows = [
        cast(TrialRecord, {name: _finite(value) for name, value in named(row).items() if name != "reason"})
        | TrialRecord(
            number=int(row["number"]),
            state=row["state"],
            error=_finite(row["reason"]),
            test_accuracy=tested.get(int(row["number"])),
            refit_accuracy=refits.get(int(row["number"]), {}).get("test_accuracy"),
        )
        | ({"repeats": repeats[int(row["number"])]} if int(row["number"]) in repeats else {})
        for row in study.frame().to_dict("records")
    ]
    write_json(out / TRIALS, {"trials": rows})
    if experiment.settings.share is None:
        _mention_missing(out, rows)


def _mention_missing(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Name the weights that are gone; those that the call needed were refused before."""
    numbers: list[int | None] = [int(row["number"]) for row in rows if row.get("checkpoint")]
    kept = [checkpoint(folder, number) for number in [None] * bool(float_checkpoint(folder)) + numbers]
    if lost := [path.name for path in kept if not path.exists()]:
        _note("%s: the weights %s are gone; restore them, or train a trial again with --from", folder, ", ".join(lost))


def publish(folder: Path, *, running: bool = False, figures: float | None = None) -> Path:
    """Write the report of a study again, from what is on disk.

    Args:
        folder: of the study.
        running: whether trials are still to come; the page then reloads on its own.
        figures: width in inches; also write each figure of the page as files of its own, at that width.

    Returns:
        The path of the page.

    Raises:
        BadStudy: no study there, or a broken one.
    """
    record = read_run(folder)
    trials, measured = read_trials(folder), read_measured(folder)
    trials["LUT_measured"] = [measured.get(number, {}).get("LUT") for number in trials["number"]]
    return write_report(folder, trials, record, running=running, figures=figures)


def compare(folders: Sequence[Path], out: Path, published: Path | None = None, *, force: bool = False) -> Path:
    """Write the page that compares several studies, from what is on disk.

    Args:
        folders: of the studies, each once.
        out: folder of the page.
        published: CSV of name, score and LUT of designs by others.
        force: compare studies whose data or prices differ, too.

    Returns:
        The path of the page.

    Raises:
        BadStudy: as `hwcost.report.write_comparison`; a folder without a study, or named twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise BadStudy("report: a study is named twice; name each once")
    studies = {str(folder): read_study(read_trials(folder), read_run(folder)) for folder in folders}
    return write_comparison(out, studies, published, force=force)


def _finite(value: object) -> Any:
    """None for NaN and infinities, which JSON lacks."""
    return None if isinstance(value, float) and not isfinite(value) else value
