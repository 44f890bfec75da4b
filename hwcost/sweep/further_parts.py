"""Prices of finished trials on further parts: one study, a front for each part, and nothing is trained twice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hwcost.cost.estimate import estimate
from hwcost.errors import BadFolding, BadOption, BadStudy
from hwcost.models import RESOURCES
from hwcost.models.resources import OnPart
from hwcost.report.pareto import non_dominated
from hwcost.report.schema import PartRecord
from hwcost.search import Study
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import key_of
from hwcost.sweep.standing import Row, named
from hwcost.sweep.study_files import checkpoint, read_json, restore_net, text, write_json
from hwcost.sweep.trial import design, speeds_of
from hwcost.train.data import Data

PRICED = "parts.json"
"""Part -> key of a trial -> its figures on that part, or why it cannot be built there."""


def further(experiment: Experiment) -> Mapping[str, Experiment]:
    """The experiment on each further part of its settings, by the name of the part.

    Raises:
        BadOption: a part is named twice. UnknownDevice: there is none of that name.
    """
    names = [experiment.part.name]
    found = {}
    for name in experiment.settings.further:
        one = replace(experiment, settings=replace(experiment.settings, device=name))
        if one.part.name in names:
            raise BadOption(f"device {name}: the part {one.part.name} is named twice; name each once")
        names.append(one.part.name)
        found[one.part.name] = one
    return found


def fronts_on_parts(experiment: Experiment, data: Data, study: Study) -> list[PartRecord]:
    """Price the finished trials of a study on its further parts, each once, and choose a front for each part.

    Folding and clock follow from the same frame rate as on the first part. A part's front has the trials that fit it.

    Args:
        experiment: its settings name the parts.
        data: its data set.
        study: open.

    Returns:
        A record for each further part, in the order of the settings.
    """
    parts = further(experiment)
    rows = [named(row) for row in study.frame().to_dict("records") if row["state"] == "COMPLETE"]
    known = _read(experiment) if parts else {}
    for row in rows:
        lacking = {name: one for name, one in parts.items() if key_of(row) not in known.setdefault(name, {})}
        if lacking:
            study.fetch(int(row["number"]))
            for name, figures in _prices(experiment, lacking, data, row).items():
                known[name][key_of(row)] = figures
            write_json(experiment.settings.out / PRICED, known)
    return [_record(one, rows, known.get(name, {})) for name, one in parts.items()]


def _prices(experiment: Experiment, parts: Mapping[str, Experiment], data: Data, row: Row) -> dict[str, dict[str, Any]]:
    """Figures of a trial on each part; where its hardware cannot be as fast there, the reason."""
    trial = design(experiment, row["params"], data, int(row["seed"]), text(row, "live_channels"))
    models: dict[str, OnPart] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, one in parts.items():
        try:
            models[name] = one.model(trial.pipeline, row["params"])
        except BadFolding as error:
            found[name] = {"error": str(error)}
    restore_net(trial.net, checkpoint(experiment.settings.out, int(row["number"])), text(row, "checkpoint"))
    with torch.no_grad():
        for name, model in models.items():
            priced = estimate(trial.pipeline, model)
            amounts = {resource: priced.total[resource] for resource in RESOURCES}
            found[name] = {**amounts, **speeds_of(priced), "fits": priced.fits}
    return found


def _record(one: Experiment, rows: list[Row], known: Mapping[str, Mapping[str, Any]]) -> PartRecord:
    """The front among the trials that fit a part, cheapest first."""
    whole = [
        {"number": int(row["number"]), "accuracy": row["accuracy"], **figures}
        for row in rows
        if (figures := known[key_of(row)]).get("fits")
    ]
    useful = [row for row in whole if all(aim.beyond(row[aim.name]) <= 0 for aim in one.objectives)]
    front: list[dict[str, Any]] = []
    if useful:
        points = np.array([[row[aim.name] for aim in one.objectives] for row in useful], dtype=float)
        kept = non_dominated(points, [aim.direction for aim in one.objectives])
        front = sorted((row for row, is_kept in zip(useful, kept, strict=True) if is_kept), key=lambda row: row["LUT"])
    columns = ("number", "accuracy", *RESOURCES, "fps", "latency_us")
    return {
        "name": one.part.name,
        "capacity": {name: float(amount) for name, amount in one.part.capacity.items()},
        "finished": len(rows),
        "fitting": len(whole),
        "front": [{name: float(row[name]) for name in columns} for row in front],
    }


def _read(experiment: Experiment) -> dict[str, dict[str, Any]]:
    path = experiment.settings.out / PRICED
    found = read_json(path) if path.exists() else {}
    for part, entries in found.items():
        if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
            raise BadStudy(f"{path}: its entry {part} is garbled; restore the file, or remove it")
    return found
