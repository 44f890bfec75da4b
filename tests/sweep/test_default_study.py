"""The default sweep: the same study, trial by trial, as the table that was stored with an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweeps import experiment, run

from hwcost.zoo.digits import recipe

TABLE = Path(__file__).parents[1] / "data" / "default_study.json"

OTHER_PROCESSOR = 0.02
"""Processors add in different orders, so that a training of the same seed ends within seven of 359 images elsewhere."""


@pytest.mark.slow
def test_the_default_study_is_what_it_was(tmp_path: Path, undrawn: None) -> None:
    stored = json.loads(TABLE.read_text())["trials"]
    run(experiment(recipe, tmp_path, recipe="digits"), len(stored))
    rows = json.loads((tmp_path / "trials.json").read_text())["trials"]
    for row, kept in zip(rows, stored, strict=True):
        row["widths"] = [[one["layer"], one["weight_bits"], one["activation_bits"]] for one in row["layers"]]
        kept["accuracy"] = pytest.approx(kept["accuracy"], abs=OTHER_PROCESSOR)
    assert [{name: row[name] for name in kept} for row, kept in zip(rows, stored, strict=True)] == stored
