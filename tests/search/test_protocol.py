"""Objectives and outcomes: what does not fit is refused, with the entry named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna_study import opened

from hwcost.errors import BadOption
from hwcost.search import Objective, Outcome
from hwcost.search.protocol import checked


@pytest.mark.parametrize(
    ("outcome", "part"),
    [
        ((90.0, 100.0), "returned tuple"),
        (Outcome((90.0,)), "1 values; give one for each"),
        (Outcome(("high", 1.0)), "give numbers"),
        (Outcome((90.0, 100.0), {"net": object()}), "attribute net"),
        (Outcome((90.0, 100.0), {"params": 3}), "attribute 'params'"),
        (Outcome((90.0, 100.0), {"LUT": 101.0}), "attribute LUT = 101.0, but objective LUT = 100.0"),
    ],
)
def test_a_wrong_outcome_is_refused(tmp_path: Path, outcome: Any, part: str) -> None:
    with opened(tmp_path) as study:
        with pytest.raises(BadOption, match=part):
            study.run(lambda suggestion: outcome, trials=1)
        assert study.frame()["state"][0] == "FAIL"


def test_bad_objectives() -> None:
    with pytest.raises(BadOption, match="direction 'up'"):
        Objective("accuracy", "up")  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="params"):
        Objective("params", "minimize")


ONE = (Objective("accuracy", "maximize"), Objective("LUT", "minimize"))


def test_an_outcome_that_fits_gives_its_values() -> None:
    attributes = {"LUT": 100.0, "epochs": [{"loss": 0.5}], "accuracy": None}
    assert checked(Outcome((90, 100.0), {"LUT": 100.0, "epochs": [{"loss": 0.5}]}), ONE) == [90.0, 100.0]
    with pytest.raises(BadOption, match=r"accuracy = None, but objective accuracy = 90\.0"):
        checked(Outcome((90, 100.0), attributes), ONE)
    assert checked(Outcome((float("nan"), 1.0), {"accuracy": 3.0}), ONE)[1] == 1.0  # a failure anyway
    with pytest.raises(BadOption, match="use another name"):
        checked(Outcome((90, 100.0), {7: 1}), ONE)  # type: ignore[dict-item] # what a user may give
