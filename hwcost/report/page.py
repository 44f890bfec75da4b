"""Text of the page: facts of a study as plain values, for the HTML and the Markdown template."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from hwcost.report.axes import headed, shown
from hwcost.report.checks import RESOURCES
from hwcost.report.figure_data import figure_data
from hwcost.report.noise import front_noise
from hwcost.report.schema import ObjectiveRecord, RunRecord, standing
from hwcost.report.score import Score
from hwcost.report.study import CHEAPEST, Study
from hwcost.report.style import Drawing

_FEW = 8  # numbers of trials in a list


def count(value: Any, digits: int = 0) -> str:
    """A number with thousands separators, one below 100 that is not whole with three digits; a dash for none.

    >>> count(12345.0), count(float("nan")), count(2.5, 1), count(7.5), count(0.3725), count(99.97)
    ('12,345', '–', '2.5', '7.5', '0.372', '100')
    """
    number = float(value) if isinstance(value, int | float | np.number) else math.nan
    if not math.isfinite(number):
        return "–"
    if digits == 0 and not number.is_integer() and abs(number) < 100:
        return f"{number:.3g}"
    return f"{round(number, digits) + 0.0:,.{digits}f}"


def duration(seconds: float) -> str:
    """Duration in the largest sensible unit; empty if it is 0.

    >>> duration(1.4), duration(100), duration(18600), duration(0)
    ('1.4 seconds', '1.7 minutes', '5.2 hours', '')
    """
    if not seconds > 0:
        return ""
    unit, name = (3600, "hours") if seconds >= 7200 else (60, "minutes") if seconds >= 90 else (1, "seconds")
    return f"{count(seconds / unit, 1)} {name}"


def cell(text: object) -> str:
    """Escape a text for a line or a table of Markdown: one line, no cell boundary, and no HTML of its own.

    >>> cell("a <script>")
    'a &lt;script&gt;'
    """
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(plain.splitlines())


def joined(names: Sequence[str]) -> str:
    """Names of a point in a row; what they begin and end with is said once.

    >>> joined(["cheapest within 0.5 points of float", "cheapest within 1 point of float", "knee"])
    'cheapest within 0.5 points and 1 point of float, knee'
    """
    cheapest = [name.removeprefix(CHEAPEST).rpartition(" of ") for name in names if name.startswith(CHEAPEST)]
    if not cheapest:
        return ", ".join(names)
    losses, what = [loss for loss, _, _ in cheapest], cheapest[0][2]
    told = " and ".join(filter(None, [", ".join(losses[:-1]), losses[-1]]))
    return ", ".join([f"{CHEAPEST}{told} of {what}", *(name for name in names if not name.startswith(CHEAPEST))])


def _row(study: Study, trial: pd.Series[Any], columns: list[str]) -> dict[str, Any]:
    return {
        "number": int(trial["number"]),
        "names": next((m.names for m in study.marks if study.complete["number"][m.row] == trial["number"]), ()),
        "validation": trial["accuracy"],
        "test": trial["test_accuracy"],
        "refit": trial["refit_accuracy"],
        "seeds": study.over_seeds(trial),
        "costs": {name: shown(name, float(trial[name])) for name in columns},
        "share": {name: float(trial[name]) / (study.budget(name) or math.nan) for name in columns},
        "fits": None if trial["fits"] is None or pd.isna(trial["fits"]) else bool(trial["fits"]),
        "missed": trial["within_budget"] is False,
        "command": study.command(int(trial["number"])),
    }  # fmt: skip


def _remarks(study: Study) -> list[str]:
    """Remarks that a reader needs before the figures, in sentences."""
    remarks, score = [], study.score
    if score.direction == "minimize":
        remarks.append(f"A smaller {score.name} is better.")
    if study.run["data"].get("validation_is_test") is True:
        remarks.append("The test samples are those of the validation: the test score is no independent one.")
    if not len(study.complete):
        remarks.append("No trial has finished with numbers in every objective yet, so there is no front to show.")
    elif not study.complete["on_front"].any():
        worst = ", ".join(_objective(one, score) for one in study.run["objectives"] if "worst" in one)
        remarks.append(f"No finished trial is within the worst value that counts, so the front is empty: {worst}.")
    elif study.cost is None:
        remarks.append(f"No cost above 0 was recorded, so {score.name} has nothing to be drawn against.")
    said = [bool(fits) for fits in study.complete["fits"] if fits is not None]
    if said and not any(said):
        remarks.append(f"No finished trial fits the {study.run['device'].get('name', 'part')}; nothing is recommended.")
    part = study.run["device"]
    if doubtful := part.get("unconfirmed"):
        of = f"of {part.get('name', 'the part')}"
        remarks.append(f"Not checked against a public document, {of}: {', '.join(doubtful)}.")
    over = sum(within is False for within in study.complete["within_budget"])
    if over:
        unreachable = sum(reachable is False for reachable in study.complete["budget_reachable"])
        remarks.append(
            f"{over} of {len(study.complete)} finished trials {'exceeds its' if over == 1 else 'exceed their'} budget"
            + (f", {unreachable} of them because no widths of their network reach it" if unreachable else "")
            + "; the column budget says which."
        )
    if len(study.complete) and not math.isfinite(study.float_accuracy):
        remarks.append(f"The {score.name} of the float network was not recorded; losses are not shown.")
    known = score.losses(study.float_accuracy) if math.isfinite(study.float_accuracy) else []
    found = [name for mark in study.marks for name in mark.names]
    missing = [words for _, words in known if f"{CHEAPEST}{words} of float" not in found]
    if missing and study.marks:
        remarks.append(f"No front point lies within {' or '.join(missing)} of the float network.")
    if len(study.front) == 1 and len(study.complete) > 1:
        remarks.append("One trial beats all others in every objective: the front is a single point.")
    return remarks


def _middle(losses: list[tuple[float, str]]) -> str:
    """The words of the tolerance in the middle, one of a task or more."""
    return losses[len(losses) // 2][1]


def facts(study: Study) -> dict[str, Any]:
    """Everything both templates print; numbers as numbers."""
    columns = study.costs
    rows, noise = [_row(study, trial, columns) for _, trial in study.front.iterrows()], front_noise(study)
    for row in rows:
        row["interval"] = noise.intervals.get(row["number"]) if noise is not None else None
        row["chance"] = noise is not None and row["number"] in noise.chance
    by_number = {row["number"]: row for row in rows}
    bands = (study.run.get("error_band") or {}).items()
    became = np.array([standing(*pair) for pair in zip(study.trials["state"], study.trials["error"], strict=True)])
    states = Counter(became.tolist())
    return {
        "study": study, "run": study.run, "score": study.score,
        "within": _middle(study.score.losses(study.float_accuracy)),
        "part": study.run["device"].get("name") or "", "columns": columns, "rows": rows, "remarks": _remarks(study),
        "others": [name for name, _ in study.objectives if name not in ("accuracy", study.cost)],
        "marked": [by_number[int(study.complete["number"][mark.row])] for mark in study.marks],
        "noise": noise,
        "repeated": max((row["seeds"][2] for row in rows if row["seeds"]), default=0),
        "refitted": bool(np.isfinite(study.column("refit_accuracy", study.front)).any()),
        "bands": ", ".join(f"{low:.2f} to {high:.2f} for {name}" for name, (low, high) in bands if name in columns),
        "crosses": any(row["fits"] is False for row in rows),
        "finished": len(study.complete), "states": dict(states),
        "failed": _failures(study.trials[became == "failed"]),
        "interrupted": _failures(study.trials[became == "interrupted"]),
        "worked": duration(float(np.nansum(study.column("seconds", study.trials)))),
        "float": study.float_accuracy, "float_test": study.run["float"].get("test"),
        "budgets": {name: study.budget(name) for name in RESOURCES if study.budget(name) > 0},
        "provenance": _provenance(study.run, study.score),
        "parts": study.run.get("parts") or [], "part_columns": [name for name in RESOURCES if name in columns],
        "trials": len(study.trials), "samples": study.run["data"].get("validation"),
    }  # fmt: skip


SCRIPTS = (
    "study", "state", "filter", "scales", "figure", "scatter", "layers", "parallel", "table", "panel", "hints", "page",
)  # fmt: skip
"""Files of the folder script, in the order in which the page needs them."""


def _failures(failed: pd.DataFrame) -> list[tuple[str, str]]:
    """Numbers of trials -> what they failed of; those with the same error are listed together."""
    found: dict[str, list[int]] = {}
    for number, error in zip(failed["number"], failed["error"], strict=True):
        found.setdefault(str(error or "no message"), []).append(int(number))
    return [(_listed(numbers), error) for error, numbers in found.items()]


def _listed(numbers: list[int]) -> str:
    """The first few numbers, and how many more there are.

    >>> _listed([3, 7]), _listed(list(range(20)))
    ('3, 7', '0, 1, 2, 3, 4, 5, 6, 7 and 12 more')
    """
    more = f" and {len(numbers) - _FEW} more" if len(numbers) > _FEW else ""
    return ", ".join(map(str, numbers[:_FEW])) + more


def _objective(one: ObjectiveRecord, score: Score) -> str:
    """An objective in words; the score under its own name."""
    of_score = one["name"] == "accuracy"
    worst = "" if "worst" not in one else f" (worst {score.text(one['worst']) if of_score else one['worst']})"
    return f"{one['direction']} {score.name if of_score else one['name']}{worst}"


def _provenance(run: RunRecord, score: Score) -> list[tuple[str, str]]:
    data, device = run["data"], run["device"]
    parts = [f"{count(data[k])} {k}" for k in ("train", "validation", "test") if data.get(k) is not None]
    print_of = data.get("fingerprint") or "not recorded"
    clock = f" at {device['clock_mhz']:g} MHz" if isinstance(device.get("clock_mhz"), int | float) else ""
    return [
        ("Command", str(run["command"])),
        ("Recipe", str(run["recipe"])),
        ("Seed", str(run["seed"])),
        ("Sampler", str(run["sampler"])),
        ("Objectives", ", ".join(_objective(o, score) for o in run["objectives"])),
        (
            "Data",
            f"{data.get('name') or 'unnamed'}: {', '.join(parts)}; fingerprint {print_of}",
        ),
        ("Part", f"{device.get('name') or ''} {device.get('part') or ''}{clock}".strip() or "none"),
        ("Target", f"{run['target_fps']:,.12g} frames/s" if run.get("target_fps") else "none"),
        ("Started", str(run["started"])),
        ("Machine", str(run["machine"])),
        ("Versions", ", ".join([f"hwcost {run['hwcost']}", *(f"{k} {v}" for k, v in run["versions"].items())])),
    ]


def _environment(*, escape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hwcost.report", ""),
        autoescape=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, cell=cell, headed=headed, joined=joined)
    return environment


def rendered(template: str, facts: Mapping[str, object], *, escape: bool) -> str:
    """A template of this package, filled in."""
    return _environment(escape=escape).get_template(template).render(**facts)


RELOAD_S = 10
"""Seconds after which the page of a running study reloads."""


def html(study: Study, *, running: bool = False) -> str:
    """The page; with `running`, for trials that are still to come, it loads itself again."""
    reload = RELOAD_S if running else None
    more = {"data": figure_data(study, reload=reload), "reload": reload, "scripts": SCRIPTS, "binomial": study.binomial}
    return rendered("page.html", {**facts(study), **more}, escape=True)


def markdown(study: Study, picture: Drawing) -> str:
    """The same facts as Markdown, with the picture next to it."""
    return rendered("report.md", {**facts(study), "alternative": picture.alternative}, escape=False)
