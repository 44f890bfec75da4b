"""The records of a study: what is written is declared, and the published schema names the same keys."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import tiny_recipe
from made_up_study import made_up_trials
from sweeps import experiment

from hwcost.report.schema import (
    DataRecord,
    DeviceRecord,
    EpochRecord,
    FrontRecord,
    LayerRecord,
    MarkRecord,
    RunRecord,
    TrialRecord,
)
from hwcost.sweep.fingerprint import fingerprint_of
from hwcost.sweep.provenance import provenance


def test_a_run_has_every_required_key_and_no_other_than_declared(tmp_path: Path) -> None:
    sweep = experiment(tiny_recipe.recipe, tmp_path)
    data = sweep.load()
    run = provenance(sweep, data, {}, fingerprint_of(sweep, data), None)
    assert RunRecord.__required_keys__ <= run.keys() <= RunRecord.__annotations__.keys()
    assert run["device"].keys() == DeviceRecord.__annotations__.keys()
    assert run["data"].keys() <= DataRecord.__annotations__.keys()


def test_columns_of_trials_layers_and_epochs_are_declared() -> None:
    trials = made_up_trials(4)
    assert set(trials.columns) <= TrialRecord.__annotations__.keys()
    assert trials["layers"][0][0].keys() <= LayerRecord.__annotations__.keys()
    assert trials["epochs"][0][0].keys() <= EpochRecord.__annotations__.keys()


def test_the_published_schema_has_the_keys_of_the_front() -> None:
    schema = json.loads(files("hwcost.report").joinpath("front.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"].keys() - {"schema"} == FrontRecord.__annotations__.keys()
    assert schema["properties"]["marks"]["items"]["properties"].keys() == MarkRecord.__annotations__.keys()
