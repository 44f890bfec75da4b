"""A study whose trials follow from their parameters alone, so that a mended one can be compared with a whole one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from optuna.distributions import IntDistribution

from hwcost.search import Objective, Outcome, Study, StudySpec, Suggestion, open_study


def opened(folder: Path) -> AbstractContextManager[Study]:
    spec = StudySpec(
        fingerprint={"recipe": "toy"},
        objectives=(Objective("accuracy", "maximize"), Objective("LUT", "minimize")),
        seed=3,
        sampler="random",
        space={"bits": IntDistribution(2, 8), "lanes": IntDistribution(1, 64)},
        anchors=[{"bits": 8, "lanes": 1}],
    )
    return open_study(folder, spec)


def judge(suggestion: Suggestion) -> Outcome:
    bits, lanes = suggestion.params["bits"], suggestion.params["lanes"]
    accuracy = 100 - 4.0 ** (4 - bits) + suggestion.seed % 97 / 970
    return Outcome((accuracy, 100.0 * bits * lanes), {"LUT": 100.0 * bits * lanes, "epochs": [0.5] * 40})


def grown(folder: Path, trials: int) -> None:
    """Have so many settled trials in a study."""
    with opened(folder) as study:
        missing = trials - len(settled(study))
        if missing > 0:
            study.run(judge, trials=missing)


def settled(study: Study) -> list[dict[str, Any]]:
    """The finished trials, without their numbers and times."""
    frame = study.frame()
    names = ["seed", "params", "accuracy", "LUT", "epochs"]
    return frame.reindex(columns=names)[frame["state"] == "COMPLETE"].to_dict("records")


def finished(folder: Path) -> list[dict[str, Any]]:
    """What an opened study holds, in the order of its places; each figure is checked against its parameters."""
    with opened(folder) as study:
        rows = settled(study)
    for row in rows:
        assert judge(Suggestion(0, row["params"], row["seed"])).values == (row["accuracy"], row["LUT"])
    return rows
