"""A study as a table: one row per trial, nested attributes stay whole."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna_study import opened

from hwcost.search import Objective, Outcome, StudySpec
from hwcost.search.table import table


def test_frame(tmp_path: Path) -> None:
    columns = ["number", "state", "seed", "seconds", "reason", "params", "accuracy", "LUT"]
    big = [{"epoch": epoch, "widths": list(range(20))} for epoch in range(500)]
    assert 40_000 < len(json.dumps(big)) < 60_000

    with opened(tmp_path) as study:
        assert list(study.frame().columns) == columns
        study.run(lambda suggestion: Outcome((90, 100.0), {"epochs": big, "fits": True}), trials=1)
    with opened(tmp_path) as study:
        frame = study.frame()
    assert list(frame.columns) == [*columns, "epochs", "fits"]
    (row,) = frame.to_dict("records")
    assert row["epochs"] == big
    assert row["fits"] is True
    assert (row["accuracy"], row["LUT"], row["number"], row["state"]) == (90.0, 100.0, 0, "COMPLETE")
    assert 0 <= row["seed"] < 2**32


def test_rows_of_interrupted_and_given_up_trials() -> None:
    """A trial that waits has no row; an interrupted one says what became of it."""

    def trial(number: int, place: int, state: TrialState, record: str | None = None) -> FrozenTrial:
        plan = {"place": place, "died": 0, "fixed": {}} | ({} if record is None else {"record": record})
        made = create_trial(
            state=state,
            values=[1.0] if state == TrialState.COMPLETE else None,
            params={"x": number},
            distributions={"x": IntDistribution(0, 9)},
            user_attrs=plan,
        )
        made.number = number
        return made

    spec = StudySpec(
        objectives=(Objective("loss", "minimize"),), seed=0, sampler="random", space={"x": IntDistribution(0, 9)}
    )
    trials = [
        trial(0, 0, TrialState.FAIL),
        trial(1, 0, TrialState.COMPLETE, '{"seconds": 2.5, "attributes": {"epochs": [1, 2]}}'),
        trial(2, 1, TrialState.FAIL, '{"seconds": 1, "reason": "not finite: loss = nan"}'),
        trial(3, 2, TrialState.FAIL),
        trial(4, 3, TrialState.FAIL),
        trial(5, 4, TrialState.RUNNING),
        trial(6, 5, TrialState.WAITING),
    ]
    found = table(trials, spec, lost={3})
    assert list(found.columns) == ["number", "state", "seed", "seconds", "reason", "params", "loss", "epochs"]
    assert list(found["number"]) == [0, 1, 2, 3, 4, 5]
    assert list(found["reason"].astype(object).where(found["reason"].notna(), None)) == [
        "interrupted; retried as trial 1",
        None,
        "not finite: loss = nan",
        "interrupted: its process died 3 times; given up",
        "interrupted",
        None,
    ]
    assert (found["seconds"][1], found["epochs"][1], found["loss"][1], found["params"][1]) == (2.5, [1, 2], 1, {"x": 1})
    assert found["seed"][0] == found["seed"][1] != found["seed"][2]  # a retry has the seed of its place
