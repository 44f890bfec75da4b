"""The study as the scripts of the page read it: columns of trials, and their layers and epochs, as compact JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hwcost.report.axes import TITLES, UNITS, shown
from hwcost.report.checks import COSTS, RESOURCES
from hwcost.report.layer_figures import training_trial
from hwcost.report.parallel_figure import related_parameters
from hwcost.report.progress_figures import hypervolume_course
from hwcost.report.schema import standing
from hwcost.report.study import FRAME, Study
from hwcost.report.style import SERIES

MOST_DETAILS = 8_000_000
"""Characters of layers and epochs in a page; those of further trials are in trials.json alone."""

_LAYER_KEYS = ("weight_bits", "input_bits", "activation_bits", "pe", "simd", *COSTS)
_SCORES = {"accuracy": "validation", "test_accuracy": "test", "refit_accuracy": "refit"}


def figure_data(study: Study, *, reload: int | None = None) -> str:
    """The study as JSON for a <script> of the page; scores are as shown, in percent where that is their unit.

    Args:
        study: checked.
        reload: seconds after which the page loads itself again, if trials are still to come.
    """
    rows = study.trials.to_dict("records")
    front, score, device = set(study.front["number"]), study.score, study.run["device"]
    metrics = _metrics(study)
    shapes: dict[tuple[tuple[str, ...], tuple[Any, ...]], int] = {}
    details = _details(study, rows, front, shapes)
    trained = training_trial(study)
    samples = {name: study.run["data"].get(name) for name in ("validation", "test")}
    content = {
        "score": {"name": score.name, "unit": score.unit, "direction": score.direction, "format": score.format},
        "binomial": study.binomial,
        "samples": samples,
        "float": score.factor * study.float_accuracy,
        "part": device.get("name") or "part",
        "budgets": {name: study.budget(name) for name in RESOURCES if study.budget(name) > 0},
        "cost": study.cost,
        "bars": study.cost if study.cost in COSTS else "LUT",
        "series": len(SERIES),
        "metrics": metrics,
        "related": [f"param:{name}" for name in related_parameters(study)],
        "columns": _columns(study, rows, front, [metric["key"] for metric in metrics]),
        "marks": [
            {"number": int(study.complete["number"][m.row]), "names": m.names, "short": m.short} for m in study.marks
        ],
        "trained": None if trained is None else int(study.complete["number"][trained]),
        "shapes": [list(shape) for shape in shapes],
        "course": [round(float(volume), 5) for volume in hypervolume_course(study)],
        "commands": study.commands,
        "again": study.run.get("trial_command") is not None,
        "reload": reload,
    }
    text = f'{_text(content)[:-1]},"details":{{{",".join(details)}}}}}'
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")  # ends no <script>


def _metrics(study: Study) -> list[dict[str, Any]]:
    """Quantities in the order of the table; `table` says which have a column there."""
    score = study.score
    found = [
        {"key": key, "title": title, "unit": score.unit, "kind": "score", "table": True}
        for key, title in _SCORES.items()
        if key != "refit_accuracy" or study.known(key)
    ]
    if math.isfinite(study.float_accuracy):
        below = "below float" if score.direction == "maximize" else "above float"
        found.append({"key": "lost", "title": below, "unit": score.unit, "kind": "score", "table": True})
    for name in study.costs:
        title, unit = TITLES.get(name, (name, ""))
        speed = name in FRAME
        found.append(
            {"key": name, "title": title, "unit": unit, "suffix": "" if title == name else unit or title,
             "kind": "speed" if speed else "measured" if name == "LUT_measured" else "cost",
             "better": "max" if name == "fps" else "min", "words": UNITS.get(name),
             "table": True}
        )  # fmt: skip
    for name, title in (("fits", "fits"), ("within_budget", "budget")):
        said = any(value is not None for value in study.trials[name])
        found += [{"key": name, "title": title, "unit": "", "kind": "state", "table": True}] * said
    found += [{"key": key, "title": title, "unit": "", "kind": "state"} for key, title in _STATES]
    related = related_parameters(study)
    names, figures = (dict.fromkeys(str(name) for one in study.trials[key] for name in one) for key in _NAMED)
    found += [{"key": f"figure:{name}", "title": name, "unit": "", "kind": "figure", "table": True} for name in figures]
    return found + [
        {"key": f"param:{name}", "title": name, "unit": "", "kind": "param", "table": name in related} for name in names
    ]


_NAMED = {"params": "param:", "figures": "figure:"}
"""Columns of named values -> what stands in front of a name among the keys of the page."""

_STATES = (("number", "trial"), ("front", "front"), ("state", "state"))


def _columns(study: Study, rows: Sequence[dict[Any, Any]], front: set[int], keys: list[str]) -> dict[str, list[Any]]:
    factor, sign, floor = study.score.factor, study.score.sign, study.float_accuracy
    useless = set(study.complete["number"][~study.complete["of_use"]])
    again = [Study.over_seeds(pd.Series(row)) if row["repeats"] else None for row in rows]
    own = {
        "number": [row["number"] for row in rows],
        "state": [standing(row["state"], row["error"]) for row in rows],
        "front": [row["number"] in front for row in rows],
        "fits": [row["fits"] for row in rows],
        "of_use": [False if row["number"] in useless else None for row in rows],
        "within_budget": [row["within_budget"] for row in rows],
        "error": [row["error"] for row in rows],
        "lost": [factor * sign * (floor - row["accuracy"]) for row in rows],
        "repeat_mean": [None if one is None else factor * one[0] for one in again],
        "repeat_sd": [None if one is None else factor * one[1] for one in again],
        "repeats": [None if one is None else one[2] for one in again],
        **{key: [factor * row[key] for row in rows] for key in _SCORES},
    }
    own = {key: values for key, values in own.items() if key in _ALWAYS or any(value is not None for value in values)}
    for key in keys:
        if key not in own:
            column = next((column for column, front in _NAMED.items() if key.startswith(front)), None)
            name = key.partition(":")[2]
            own[key] = [shown(key, row[key]) if column is None else row[column].get(name) for row in rows]
    return own


_ALWAYS = {"number", "state", "front", "fits", "within_budget", "error"}


def _details(
    study: Study,
    rows: Sequence[Mapping[Any, Any]],
    front: set[int],
    shapes: dict[tuple[tuple[str, ...], tuple[Any, ...]], int],
) -> list[str]:
    """Layers and epochs by trial, as members of a JSON object: the front first, as many as the page has room for."""
    found: list[str] = []
    room = MOST_DETAILS
    for row in sorted(rows, key=lambda row: row["number"] not in front):
        if not row["layers"] and not row["epochs"]:
            continue
        names = tuple(str(layer["layer"]) for layer in row["layers"]), tuple(one.get("kind") for one in row["layers"])
        packed = {
            "shape": shapes.setdefault(names, len(shapes)),
            "layers": {
                key: [layer.get(key) for layer in row["layers"]]
                for key in _LAYER_KEYS
                if any(layer.get(key) is not None for layer in row["layers"])
            },
            "epochs": [epoch.get("epoch", at + 1) for at, epoch in enumerate(row["epochs"])],
            "scores": [_scaled(epoch.get("accuracy"), study.score.factor) for epoch in row["epochs"]],
            "widths": _runs(row["epochs"]),
        }
        text = _text(packed)
        room -= len(text)
        if room < 0 and row["number"] not in front:
            break
        found.append(f'"{row["number"]}":{text}')
    return found


def _scaled(value: object, factor: float) -> float | None:
    return factor * float(value) if isinstance(value, int | float | np.number) else None


def _runs(epochs: Sequence[Mapping[str, Any]]) -> dict[str, list[list[Any]]]:
    """Pairs of an epoch's index and the bits from then on, for each width; one that never moves is a single pair.

    >>> _runs([{"widths": {"a": 3}}, {"widths": {"a": 3}}, {"widths": {"a": 2}}])
    {'a': [[0, 3], [2, 2]]}
    """
    names = dict.fromkeys(str(name) for epoch in epochs for name in epoch.get("widths") or {})
    runs: dict[str, list[list[Any]]] = {name: [] for name in names}
    for at, epoch in enumerate(epochs):
        for name, kept in runs.items():
            bits = (epoch.get("widths") or {}).get(name)
            if not kept or kept[-1][1] != bits:
                kept.append([at, bits])
    return runs


def _text(value: object) -> str:
    return json.dumps(_compact(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _compact(value: Any) -> Any:
    """The value in types of JSON: numbers with six significant digits, or all of the integer part; NaN as null."""
    if value is None or type(value) is str or type(value) is int:  # most values; a test of the exact type is quick
        return value
    if isinstance(value, dict | Mapping):
        return {str(key): _compact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_compact(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return None
        if number.is_integer() or abs(number) >= 1e6:
            return round(number)
        return float(f"{number:.6g}")
    return str(value)
