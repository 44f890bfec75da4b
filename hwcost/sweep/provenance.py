"""The record of how a study was made: run.json, for its reports and for training its trials again."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import torch

from hwcost.models import AREAS
from hwcost.models.calibration.error_band import BANDS
from hwcost.report import RunRecord
from hwcost.report.schema import DeviceRecord, FloatRecord
from hwcost.search import masked_command
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.fingerprint import Fingerprint
from hwcost.train.data import Data

PACKAGES = ("torch", "numpy", "optuna", "pandas", "matplotlib", "scikit-learn")
"""Packages whose versions are recorded."""


def command_line() -> str:
    """The command of this process, without the passwords of the URLs in it."""
    return masked_command(["hwcost", *sys.argv[1:]])


def provenance(experiment: Experiment, data: Data, baseline: FloatRecord, fingerprint: Fingerprint) -> RunRecord:
    """Record how a study is made.

    Args:
        experiment: what is explored.
        data: its data set.
        baseline: scores of the float network.
        fingerprint: of the experiment.

    Returns:
        The content of run.json.
    """
    settings, part = experiment.settings, experiment.part
    again = f"hwcost train --from {shlex.quote(str(settings.out))} --trial {{number}}"
    return {
        "hwcost": version("hwcost"),
        "study": experiment.recipe.name,
        "recipe": settings.recipe,
        "command": command_line(),
        "trial_command": again + (f" --data {shlex.quote(str(settings.data))}" if settings.data else ""),
        "seed": settings.seed,
        "sampler": settings.method,
        "score": experiment.recipe.task.record(),
        "bits": settings.bits,
        "warm": settings.warm,
        "ramp": settings.ramp,
        "limits": dict(settings.limits),
        "settings": settings.to_dict(),
        "target_fps": experiment.fps,
        "error_band": {name: [BANDS[name].low, BANDS[name].high] for name in AREAS if name in BANDS},
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
        ),
        "float": baseline,
        "objectives": [{"name": entry.name, "direction": entry.direction} for entry in experiment.objectives],
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "fingerprint": fingerprint.entries,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
        + _accelerator(settings.accelerator),
    }


def _accelerator(name: str) -> str:
    found = torch.device(name)
    return f", {torch.cuda.get_device_name(found)}" if found.type == "cuda" else ""
