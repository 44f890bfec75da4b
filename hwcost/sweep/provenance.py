"""The record of how a study was made: run.json, for its reports and for training its trials again."""

import os
import platform
import shlex
import sys
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from hwcost.models import AREAS
from hwcost.models.calibration.error_band import bands
from hwcost.report import RunRecord
from hwcost.report.schema import DeviceRecord, FloatRecord, ObjectiveRecord
from hwcost.search import Objective, masked_command
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.fingerprint import Fingerprint
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.settings import Settings
from hwcost.train.data import Data

PACKAGES = ("torch", "numpy", "optuna", "pandas", "matplotlib", "scikit-learn")
"""Packages whose versions are recorded."""


_DEFAULTS = Settings(out=Path())
_ELSEWHERE = ("recipe", "out", "storage", "artifacts")  # the first two come first; the others are this machine's


def command_line() -> str:
    """The command of this process, without the passwords of the URLs in it."""
    return masked_command(["hwcost", *sys.argv[1:]])


def python_call(experiment: Experiment) -> str:
    """The call from Python that makes the study of an experiment."""
    settings = experiment.settings
    given = {one.name: getattr(settings, one.name) for one in fields(Settings) if one.name not in _ELSEWHERE}
    chosen = {name: value for name, value in given.items() if value != getattr(_DEFAULTS, name)}
    words = [f"{name}={(str(value) if isinstance(value, Path) else value)!r}" for name, value in chosen.items()]
    return f"hwcost.run_sweep({', '.join([repr(settings.recipe), f'out={str(settings.out)!r}', *words])})"


def trial_commands(experiment: Experiment) -> list[tuple[str, str]]:
    """Names and commands of what may follow for a trial, {number} in its place: to train it again, to export it.

    All can be synthesized, and a folded pipeline can be built. Where the trials choose no hardware of their own, what
    was exported can be estimated.
    """
    settings, recipe = experiment.settings, experiment.recipe
    out = shlex.quote(str(settings.out))
    data = f" --data {shlex.quote(str(settings.data))}" if settings.data else ""
    file = f"{out}/trial-{{number}}.onnx"
    found = [
        ("train", f"hwcost train --from {out} --trial {{number}}{data}"),
        ("export", f"hwcost export {out} --trial {{number}} --to qonnx -o {file}{data}"),
        ("verify", f"hwcost verify {out} --trial {{number}}{data}"),
    ]
    if settings.architecture not in (None, "dataflow"):
        return found
    found.append(("build", f"hwcost build {out} --trial {{number}} --out {out}/trial-{{number}}-build{data}"))
    if recipe.hardware is Recipe.__dataclass_fields__["hardware"].default:
        part = shlex.quote(settings.part or recipe.device)
        on = f"--device {part} --fps {experiment.fps:.12g} --clock {experiment.clock_mhz:.12g}"
        found.append(("estimate", f"hwcost estimate {file} {on}"))
    return found


def provenance(
    experiment: Experiment, data: Data, baseline: FloatRecord, fingerprint: Fingerprint, command: str | None
) -> RunRecord:
    """Record how a study is made.

    Args:
        experiment: what is explored.
        data: its data set.
        baseline: scores of the float network.
        fingerprint: of the experiment.
        command: that called; None for a call from Python.

    Returns:
        The content of run.json.
    """
    settings, part = experiment.settings, experiment.part
    train, *onward = trial_commands(experiment)
    return {
        "hwcost": version("hwcost"),
        "study": experiment.recipe.name,
        "recipe": settings.recipe,
        "command": python_call(experiment) if command is None else command,
        "trial_command": train[1],
        "commands": dict(onward),
        "seed": settings.seed,
        "sampler": settings.method,
        "score": experiment.recipe.task.record(),
        "bits": settings.bits,
        "warm": settings.warm,
        "ramp": settings.ramp,
        "limits": {**settings.bounds.resources, **settings.bounds.speeds},
        "settings": settings.to_dict(),
        "target_fps": experiment.fps,
        "error_band": {name: [band.low, band.high] for name, band in bands(part.dsp_kind).items() if name in AREAS},
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "device": DeviceRecord(
            name=part.name,
            part=part.part,
            clock_mhz=experiment.clock_mhz,
            LUT=part.LUT,
            FF=part.FF,
            DSP=part.DSP,
            BRAM18=part.BRAM18,
            URAM=part.URAM,
            LUTRAM=part.LUTRAM,
            unconfirmed=list(part.unconfirmed),
        ),
        "float": baseline,
        "objectives": [_objective(entry) for entry in experiment.objectives],
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
            **({"validation_is_test": True} if data.validation_is_test else {}),
        },
        "fingerprint": fingerprint.entries,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
        + _accelerator(settings.accelerator),
    }


def _objective(entry: Objective) -> ObjectiveRecord:
    found = ObjectiveRecord(name=entry.name, direction=entry.direction)
    if entry.worst is not None:
        found["worst"] = entry.worst
    return found


def _accelerator(name: str) -> str:
    found = torch.device(name)
    return f", {torch.cuda.get_device_name(found)}" if found.type == "cuda" else ""
