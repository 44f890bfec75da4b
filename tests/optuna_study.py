"""A study with every kind of parameter, whose outcomes follow from parameters and seed alone."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.search import Objective, Outcome, Study, StudySpec, Suggestion, open_study

SPACE = {
    "bits": IntDistribution(2, 8),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["int", "ternary"]),
}


OBJECTIVES = (Objective("accuracy", "maximize"), Objective("LUT", "minimize"))


def opened(folder: Path, **changes: Any) -> AbstractContextManager[Study]:
    settings: dict[str, Any] = {
        "fingerprint": {"recipe": "toy", "epochs": 3},
        "objectives": OBJECTIVES,
        "seed": 7,
        "sampler": "tpe",
        "space": SPACE,
    }
    return open_study(folder, StudySpec(**settings | changes))


def judge(suggestion: Suggestion) -> Outcome:
    """Follows from parameters and seed alone, as a training does."""
    bits, lr = suggestion.params["bits"], suggestion.params["lr"]
    accuracy = 100 - 4.0 ** (4 - bits) - abs(math.log10(lr) + 2) + suggestion.seed % 97 / 970
    lut = 100.0 * bits * (2 if suggestion.params["kind"] == "int" else 1)
    return Outcome((accuracy, lut), {"layers": [{"bits": bits}], "LUT": lut})


def kept(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What must not depend on interruptions: finished trials in order, without number and time."""
    names = ["seed", "params", "accuracy", "LUT", "layers"]
    return frame.reindex(columns=names)[frame["state"] == "COMPLETE"].to_dict("records")


def uninterrupted(folder: Path, trials: int, **changes: Any) -> list[dict[str, Any]]:
    with opened(folder, **changes) as study:
        assert study.run(judge, trials=trials).done == trials
        return kept(study.frame())
