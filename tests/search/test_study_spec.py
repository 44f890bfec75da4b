"""Specifications of studies: what is refused, and the record that tells studies apart."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from hwcost.errors import BadOption
from hwcost.search import Objective, StudySpec

OBJECTIVES = (Objective("accuracy", "maximize"), Objective("LUT", "minimize"))
GIVEN: dict[str, Any] = {
    "objectives": OBJECTIVES,
    "seed": 7,
    "sampler": "tpe",
    "space": {"kind": CategoricalDistribution(["int", "ternary"]), "bits": IntDistribution(2, 8)},
}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"sampler": "annealing"}, "use one of tpe, nsga2, random, grid, gp"),
        ({"sampler": "grid", "space": dict.fromkeys("abcdefg", IntDistribution(2, 8))}, "8.24e.05 combinations of 7"),
        ({"seed": -1}, "seed=-1"),
        ({"objectives": ()}, "at least one"),
        ({"objectives": OBJECTIVES[:1] * 2}, "each once"),
        ({"space": {}}, "space: empty"),
        ({"anchors": [{"depth": 3}]}, r"\['depth'\] not in the space"),
        ({"anchors": [{"bits": 9}]}, "outside the space"),
        ({"anchors": [{"kind": "binary"}]}, "outside the space"),
        ({"fingerprint": {"scale": math.nan}}, "scale=nan"),
        ({"fingerprint": {"layers": [1]}}, "layers"),
        ({"warm": True}, "parameter kind is no whole number"),
    ],
)
def test_bad_options(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        StudySpec(**GIVEN | changes)


def test_the_identity_is_flat_and_in_one_order() -> None:
    spec = StudySpec(**GIVEN, anchors=({"bits": 3},), fingerprint={"recipe": "toy", "seed": 1.5})
    identity = spec.identity()
    assert list(json.loads(str(identity["space"]))) == ["bits", "kind"]
    assert identity["objectives"] == "maximize accuracy, minimize LUT"
    assert identity["anchors"] == '[{"bits": 3}]'
    assert (identity["seed"], identity["seed (given)"], identity["recipe"]) == (7, 1.5, "toy")
