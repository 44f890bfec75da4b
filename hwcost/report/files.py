"""The report folder: every file whole or not there, the page last."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from hwcost.errors import BadStudy
from hwcost.files import replace, sealed
from hwcost.report.checks import COSTS
from hwcost.report.front_figures import WIDE, front_figure, resource_figures
from hwcost.report.layer_figures import bit_width_figure, lut_figure, training_figure
from hwcost.report.page import html, markdown
from hwcost.report.parallel_figure import parallel_figure
from hwcost.report.progress_figures import hypervolume_course, progress_figure
from hwcost.report.schema import FrontRecord
from hwcost.report.score import PUBLISHED, published
from hwcost.report.study import FRAME, Study, read_study
from hwcost.report.style import Drawing, house_style, picture

FRONT_SCHEMA = "hwcost-front/2"
"""Version of front.json, which front.schema.json describes as JSON Schema."""

_SCALARS = (
    "number",
    "state",
    "seed",
    "seconds",
    "accuracy",
    "test_accuracy",
    "refit_accuracy",
    *COSTS,
    *FRAME,
    "fits",
)


def write_report(
    folder: Path,
    trials: pd.DataFrame,
    run: Mapping[str, object],
    *,
    running: bool = False,
    figures: float | None = None,
) -> Path:
    """Write the report of a study: page, Markdown, pictures, CSV and JSON.

    Everything is drawn before anything is written, and each file replaces its predecessor in one step; other files
    in the folder are left alone.

    Args:
        folder: created if missing.
        trials: one row per trial, as `hwcost.report.read_study` describes.
        run: what was run, as `hwcost.report.read_study` describes.
        running: whether trials are still to come: the page says so, and loads itself again.
        figures: width in inches; also write every figure to files of its own, for papers: figures/NAME.pdf, .svg and
            .png, with text of 8 points at that width.

    Returns:
        The path of index.html; next to it are report.md, pareto.png, pareto.svg, trials.csv, front.json, run.json.

    Raises:
        BadStudy: trials or run make no sense, or the folder cannot be written.
    """
    study = read_study(trials, run)
    with house_style():
        contents = _contents(study, running=running, figures=figures)
    return replace_files(folder, contents)


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Each file in one step, in order; the path of index.html."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            replace(folder / name, content)
    except OSError as error:
        raise BadStudy(f"report: {folder} cannot be written ({error.strerror}); give a folder that can") from error
    return folder / "index.html"


def _contents(study: Study, *, running: bool, figures: float | None) -> dict[str, bytes]:
    main = front_figure(study)
    alone = [] if figures is None else paper_figures(study, figures)
    return {
        **{f"figures/{one.name}.{kind}": picture(one, kind) for one in alone for kind in PAPER_KINDS},
        "pareto.png": picture(main, "png"),
        "pareto.svg": picture(main, "svg"),
        "trials.csv": trials_table(study).to_csv(index=False).encode(),
        "front.json": _json({"schema": FRONT_SCHEMA, **front_record(study)}),
        "run.json": sealed(cast(dict[str, object], _plain(study.run))),
        "report.md": markdown(study, main).encode(),
        "index.html": html(study, running=running).encode(),
    }


PAPER_KINDS = ("pdf", "svg", "png")


def paper_figures(study: Study, width: float = WIDE) -> list[Drawing]:
    """Every figure of the page for a paper, each `width` inches wide with text of 8 points."""
    draw = (bit_width_figure, lut_figure, training_figure, parallel_figure, progress_figure)
    found = (one(study, width) for one in draw)
    front = front_figure(study, width=width)
    return [front, *resource_figures(study, width), *(one for one in found if one is not None)]


def trials_table(study: Study) -> pd.DataFrame:
    """Every trial as plain numbers: `param:name`, `figure:name` of an own training, `weight_bits:layer` and so on."""
    rows = []
    front = set(study.front["number"])
    for _, trial in study.trials.iterrows():
        row: dict[str, object] = {name: trial[name] for name in _SCALARS}
        row |= {name: trial[name] for name, _ in study.objectives}
        row["on_front"] = trial["number"] in front
        row["error"] = trial["error"]
        row |= {f"budget:{name}": limit for name, limit in trial["budget"].items()}
        row |= {name: trial[name] for name in ("within_budget", "budget_reachable") if trial[name] is not None}
        row |= {f"figure:{name}": value for name, value in trial["figures"].items()}
        row |= {f"param:{name}": value for name, value in trial["params"].items()}
        for key in ("weight_bits", "input_bits", "activation_bits"):
            row |= {f"{key}:{e['layer']}": e[key] for e in trial["layers"] if e.get(key) is not None}
        rows.append(row)
    table = pd.DataFrame(rows, columns=None if rows else [*_SCALARS, "on_front", "error"])
    return table.rename(columns=PUBLISHED).map(harmless).rename(columns=harmless)


def harmless(value: object) -> Any:
    """A text that a spreadsheet would run as a formula, with a quotation mark in front; anything else unchanged.

    >>> harmless("=cmd|' /c calc'!A0"), harmless("-1 < 0"), harmless("LUT"), harmless(-1.5)
    ("'=cmd|' /c calc'!A0", "'-1 < 0", 'LUT', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def front_record(study: Study) -> FrontRecord:
    """The content of front.json: objectives, marks, hypervolume, and every front point with layers and epochs."""
    numbers = study.complete["number"]
    keys = [name for name in _SCALARS if name != "state"] + ["params", "layers", "epochs"]
    keys += [name for name, _ in study.objectives if name not in keys]
    course = hypervolume_course(study)
    return {
        "study": study.run["study"],
        "score": {"name": study.score.name, "direction": study.score.direction, "unit": study.score.unit},
        "objectives": [
            {"name": PUBLISHED.get(one["name"], one["name"]), "direction": one["direction"]}
            for one in study.run["objectives"]
        ],
        "finished": len(study.complete),
        "hypervolume": float(course[-1]) if len(course) else None,
        "marks": [{"number": int(numbers[m.row]), "names": list(asdict(m)["names"])} for m in study.marks],
        "points": [
            published({key: trial[key] for key in keys})
            | {"epochs": [published(one) for one in trial["epochs"]]}
            | ({"repeats": [published(one) for one in trial["repeats"]]} if trial["repeats"] else {})
            | {"command": study.command(int(trial["number"]))}
            for _, trial in study.front.iterrows()
        ],
    }


def _plain(value: object) -> object:
    """The value in JSON's own types; NaN and infinities, which JSON lacks, become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return None
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    raise BadStudy(f"report: {value!r} is a {type(value).__name__}, which JSON cannot hold")


def _json(value: object) -> bytes:
    return (json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n").encode()
