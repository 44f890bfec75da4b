"""The default sweep: the same study, trial by trial, as the table that was stored with an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweeps import experiment, run

from hwcost.zoo.digits import recipe

TABLE = Path(__file__).parents[1] / "data" / "default_study.json"


@pytest.mark.slow
def test_the_default_study_is_what_it_was(tmp_path: Path, undrawn: None) -> None:
    stored = json.loads(TABLE.read_text())["trials"]
    run(experiment(recipe, tmp_path, recipe="digits"), len(stored))
    rows = json.loads((tmp_path / "trials.json").read_text())["trials"]
    for row in rows:
        row["widths"] = [[one["layer"], one["weight_bits"], one["activation_bits"]] for one in row["layers"]]
    assert [{name: row[name] for name in kept} for row, kept in zip(rows, stored, strict=True)] == stored
