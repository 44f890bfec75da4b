"""`hwcost sweep`: a recipe and a number of trials -> a study folder with its report."""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hwcost.data import Data
from hwcost.errors import BadStudy
from hwcost.models import AREAS, RESOURCES
from hwcost.pareto import non_dominated
from hwcost.recipe import Recipe
from hwcost.report import write_report
from hwcost.search import Outcome, Study, Suggestion, open_study
from hwcost.train import Epoch, evaluate, fit
from hwcost.trial import Sweep, design, run_trial


@dataclass(frozen=True)
class Standing:
    """Where a study stands: the non-dominated trials, as rows of its table."""

    finished: int
    front: list[dict[str, Any]]


class Listener:
    """Told what happens while a sweep runs; by default it does nothing."""

    def trial_started(self, number: int) -> None:
        """A trial begins."""

    def epoch_done(self, epoch: Epoch) -> None:
        """An epoch of the running trial, or of the float baseline, ended."""

    def trial_done(self, done: int, standing: Standing) -> None:
        """The done-th trial of this call ended."""


@dataclass(frozen=True)
class Result:
    """What a call of `run` came to."""

    page: Path
    finished: int
    front: int
    interrupted: bool


def run(sweep: Sweep, trials: int, listener: Listener | None = None) -> Result:
    """Add trials to the study in `sweep.out`, making it if needed, and write its report.

    Everything finished is on disk at once: a killed call is resumed by the same call, and retries what it was at.

    Args:
        sweep: what to explore.
        trials: to add, at least 1.
        listener: told of the progress.

    Raises:
        BadStudy: the folder holds another study, is in use, corrupt, or cannot be written.
    """
    listener = listener or Listener()
    torch.set_num_threads(1)  # small networks gain nothing from more, and one thread is deterministic
    data = sweep.recipe.data(sweep.data)
    fingerprint = _fingerprint(sweep, data)
    with _open(sweep, fingerprint) as study:
        baseline = _float_baseline(sweep, data, listener)
        _write_json(sweep.out / "run.json", _provenance(sweep, data, baseline, fingerprint))
        progress = study.run(
            lambda suggestion: _objective(sweep, data, suggestion, listener),
            trials=trials,
            on_trial=lambda done: listener.trial_done(done, _standing(study, sweep)),
        )
        _test_front(sweep, data, study)
        page = _report(sweep.out, study)
        standing = _standing(study, sweep)
    return Result(page=page, finished=standing.finished, front=len(standing.front), interrupted=progress.interrupted)


def publish(folder: Path) -> Path:
    """Write the report of a study again, from what is on disk.

    Raises:
        BadStudy: no study there, or a broken one.
    """
    record = _read_run(folder)
    return write_report(folder, pd.DataFrame(_read_trials(folder)), record)


def reproduce(
    folder: Path, number: int, find: Callable[[str], Recipe], data: Path | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Train one trial of a study again, from its record.

    Args:
        folder: of the study.
        number: of the trial.
        find: reference -> recipe, as the command line does.
        data: path of the data set; None where it ships with a dependency.

    Returns:
        The recorded figures, and those of the new training.

    Raises:
        BadStudy: no such finished trial, or recipe and data are not those of the study.
    """
    record = _read_run(folder)
    sweep = Sweep(
        recipe=find(record["recipe"]),
        reference=record["recipe"],
        out=folder,
        data=data,
        seed=record["seed"],
        sampler=record["sampler"],
        device=record["device"]["name"],
        fps=record["target_fps"],
        clock_mhz=record["device"]["clock_mhz"],
    )
    torch.set_num_threads(1)
    loaded = sweep.recipe.data(data)
    now = _fingerprint(sweep, loaded)
    differing = [name for name, value in record["fingerprint"].items() if now.get(name) != value]
    if differing:
        raise BadStudy(f"{folder}: {', '.join(differing)} changed since the study; its trials cannot be repeated")
    trials = _read_trials(folder)
    kept = next((row for row in trials if row["number"] == number and row["state"] == "COMPLETE"), None)
    if kept is None:
        raise BadStudy(f"{folder}: trial {number} is not among its {len(trials)} trials, or did not finish")
    outcome, _ = run_trial(sweep, loaded, Suggestion(number=number, params=kept["params"], seed=int(kept["seed"])))
    names = ("accuracy", *RESOURCES)
    return {name: float(kept[name]) for name in names}, {name: float(outcome.attributes[name]) for name in names}


def _open(sweep: Sweep, fingerprint: Mapping[str, str]) -> AbstractContextManager[Study]:
    return open_study(
        sweep.out,
        fingerprint=fingerprint,
        objectives=sweep.objectives,
        seed=sweep.seed,
        sampler=sweep.sampler,
        space=sweep.recipe.space,
        anchors=sweep.recipe.anchors,
    )


def _fingerprint(sweep: Sweep, data: Data) -> dict[str, str]:
    """All that the figures of a trial follow from, besides its parameters."""
    recipe = sweep.recipe
    widest = recipe.anchors[0] if recipe.anchors else {}
    return {
        "recipe": recipe.name,
        "network": str(recipe.network(widest)) if widest else "",
        "data": data.fingerprint,
        "budget": json.dumps([dict(recipe.budget(anchor)) for anchor in recipe.anchors]),
        "training": str(recipe.training),
        "device": sweep.part.name,
        "fps": f"{sweep.target:g}",  # 30000 or 30000.0: JSON does not keep them apart
        "clock_mhz": str(float(sweep.clock)),
    }


def _objective(sweep: Sweep, data: Data, suggestion: Suggestion, listener: Listener) -> Outcome:
    listener.trial_started(suggestion.number)
    outcome, trial = run_trial(sweep, data, suggestion, listener.epoch_done)
    path = _checkpoint(sweep.out, suggestion.number)
    path.parent.mkdir(exist_ok=True)
    _replace(path, lambda target: torch.save(trial.net.state_dict(), target))
    return outcome


def _float_baseline(sweep: Sweep, data: Data, listener: Listener) -> dict[str, float]:
    """Accuracy of the float network, trained once per study with the same settings; the test split is touched once."""
    path = sweep.out / "float.json"
    if path.exists():
        return _read_json(path)
    torch.manual_seed(sweep.seed)
    net = sweep.recipe.float_network()
    fit(net, data, sweep.recipe.training, seed=sweep.seed)
    figures = {"validation": evaluate(net, data.validation), "test": evaluate(net, data.test)}
    _write_json(path, figures)
    return figures


def _standing(study: Study, sweep: Sweep) -> Standing:
    rows = [_named(row) for row in study.frame().to_dict("records") if row["state"] == "COMPLETE"]
    if not rows:
        return Standing(0, [])
    points = np.array([[row[objective.name] for objective in sweep.objectives] for row in rows], dtype=float)
    keep = non_dominated(points, [objective.direction for objective in sweep.objectives])
    return Standing(len(rows), [row for row, kept in zip(rows, keep, strict=True) if kept])


def _named(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _test_front(sweep: Sweep, data: Data, study: Study) -> None:
    """Test accuracy of the trials on the front, chosen by validation; of no other trial, and of each once."""
    path = sweep.out / "test.json"
    tested = _read_json(path) if path.exists() else {}
    for row in _standing(study, sweep).front:
        number = int(row["number"])
        if str(number) in tested:
            continue
        net = design(sweep, row["params"], data, int(row["seed"])).net
        net.load_state_dict(torch.load(_checkpoint(sweep.out, number), weights_only=True))
        tested[str(number)] = evaluate(net, data.test)
        _write_json(path, tested)


def _report(folder: Path, study: Study) -> Path:
    tested = _read_json(folder / "test.json") if (folder / "test.json").exists() else {}
    trials = study.frame().rename(columns={"reason": "error"})
    trials["test_accuracy"] = [tested.get(str(number), float("nan")) for number in trials["number"]]
    # the table with its nested columns, so that `hwcost report` needs neither the recipe nor the data
    _replace(
        folder / "trials.json", lambda target: target.write_text(f'{{"trials": {trials.to_json(orient="records")}}}')
    )
    return write_report(folder, trials, _read_run(folder))


def _provenance(
    sweep: Sweep, data: Data, baseline: Mapping[str, float], fingerprint: Mapping[str, str]
) -> dict[str, Any]:
    packages = ("torch", "numpy", "optuna", "pandas", "matplotlib", "scikit-learn")
    part = sweep.part
    return {
        "hwcost": version("hwcost"),
        "study": sweep.recipe.name,
        "recipe": sweep.reference,
        "command": sweep.command,
        "trial_command": f"hwcost train --from {shlex.quote(str(sweep.out))} --trial {{number}}"
        + (f" --data {shlex.quote(str(sweep.data))}" if sweep.data else ""),
        "seed": sweep.seed,
        "sampler": sweep.sampler,
        "target_fps": sweep.target,
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "device": {"name": part.name, "part": part.part, "clock_mhz": sweep.clock}
        | {name: getattr(part, name) for name in AREAS},
        "float": dict(baseline),
        "objectives": [{"name": entry.name, "direction": entry.direction} for entry in sweep.objectives],
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "fingerprint": dict(fingerprint),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }


def _checkpoint(folder: Path, number: int) -> Path:
    return folder / "checkpoints" / f"trial-{number:04d}.pt"


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside, then rename: a file is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    write(partial)
    partial.replace(path)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _replace(path, lambda target: target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadStudy(f"{path}: cannot be read ({error}); restore it, or start a study in another folder") from error
    if not isinstance(content, dict):
        raise BadStudy(f"{path}: not a record of hwcost; start a study in another folder")
    return content


def _read_trials(folder: Path) -> list[dict[str, Any]]:
    content = _read_json(folder / "trials.json")
    if not isinstance(content.get("trials"), list):
        raise BadStudy(f"{folder / 'trials.json'}: no table of trials; call `hwcost sweep` again to write it")
    trials: list[dict[str, Any]] = content["trials"]
    return trials


def _read_run(folder: Path) -> dict[str, Any]:
    if not (folder / "run.json").is_file():
        raise BadStudy(f"{folder}: no study there (no run.json); name a folder that `hwcost sweep` wrote")
    return _read_json(folder / "run.json")
