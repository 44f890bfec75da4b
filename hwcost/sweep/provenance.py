"""What the figures of a study follow from: its fingerprint, and the record of how it was made."""

from __future__ import annotations

import inspect
import json
import os
import platform
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hwcost.files import code_hash
from hwcost.models import AREAS
from hwcost.models.calibration.error_band import BANDS
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.settings import Sweep
from hwcost.train.data import Data
from hwcost.train.task import CLASSIFICATION


def fingerprint_of(sweep: Sweep, data: Data, *, shared: bool = False) -> dict[str, str]:
    """All that the figures of a trial follow from, besides its parameters; where machines share a study, the code too.

    One machine may mend its code between two calls; of many, one that lags behind would go unnoticed.
    """
    recipe = sweep.recipe
    return (
        {
            "recipe": recipe.name,
            "network": str(sweep.network(sweep.rehearsals[0])),
            "input": f"{recipe.input.low.tolist()} to {recipe.input.high.tolist()}",
            "data": data.fingerprint,
            "budget": json.dumps([_floats(sweep.budget(params)) for params in sweep.rehearsals]),
            "training": str(recipe.training),
            "device": sweep.part.name,
            "fps": f"{sweep.target:.12g}",
            "clock_mhz": str(float(sweep.clock)),
        }
        | _chosen(sweep)
        | ({"code": _code(sweep.recipe)} if shared else {})
    )


def _code(recipe: Recipe) -> str:
    """Of hwcost and of the recipe's own file, with the packages that compute."""
    source = inspect.getsourcefile(inspect.unwrap(recipe.network)) if inspect.isroutine(recipe.network) else None
    packages = (f"{name} {version(name)}" for name in ("torch", "numpy", "optuna"))
    return f"{code_hash(*([Path(source)] if source else []))[:16]}, {', '.join(packages)}"


def _chosen(sweep: Sweep) -> dict[str, str]:
    """What differs from the defaults, so that a study from before there was a choice goes on."""
    bits = {} if sweep.bits is None else {"bits": "{}:{}".format(*sweep.bits)}
    warm = {} if sweep.warm is None else {"warm": str(sweep.warm)}
    ramp = {} if sweep.ramp is None else {"ramp": str(sweep.ramp)}
    task = {} if sweep.recipe.task is CLASSIFICATION else {"task": sweep.recipe.task.name}
    chosen = [sweep.hardware(params) for params in sweep.rehearsals]
    told = any(one != {"fps": sweep.target} for one in chosen)
    hardware = {"hardware": json.dumps(chosen, default=str)} if told else {}
    kind = torch.device(sweep.accelerator).type  # another one rounds in another order
    return bits | warm | ramp | task | hardware | ({} if kind == "cpu" else {"accelerator": kind})


def _floats(limits: Mapping[str, float]) -> dict[str, float]:
    """8000 or 8000.0: JSON does not keep them apart, a fingerprint must not either."""
    return {name: float(limit) for name, limit in limits.items()}


def provenance(
    sweep: Sweep, data: Data, baseline: Mapping[str, float], fingerprint: Mapping[str, str]
) -> dict[str, Any]:
    """What run.json holds: how the study was made, for its reports and for training its trials again.

    Args:
        sweep, data: as given.
        baseline: accuracies of the float network.
        fingerprint: from `fingerprint_of`.
    """
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
        "sampler": sweep.method,
        "score": sweep.recipe.task.name,
        "bits": sweep.bits,
        "warm": sweep.warm,
        "ramp": sweep.ramp,
        "limits": dict(sweep.limits),
        "fps": sweep.fps,
        "target_fps": sweep.target,
        "error_band": {name: [BANDS[name].low, BANDS[name].high] for name in AREAS if name in BANDS},
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
        "accelerator": sweep.accelerator,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs" + _accelerated(sweep),
    }


def _accelerated(sweep: Sweep) -> str:
    found = torch.device(sweep.accelerator)
    return f", {torch.cuda.get_device_name(found)}" if found.type == "cuda" else ""
