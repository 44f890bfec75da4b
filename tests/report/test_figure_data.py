"""The data of the page: every number in six digits, details within their room, nothing that ends a script."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import read_study
from hwcost.report.figure_data import figure_data


def data(trials: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(figure_data(read_study(trials, made_up_run(**changes))))
    return read


def test_columns_and_details_are_those_of_the_trials() -> None:
    trials = made_up_trials(30)
    found = data(trials)
    for row, (_, trial) in enumerate(trials.iterrows()):
        for key in ("LUT", "FF", "BRAM18", "fps"):
            value = found["columns"][key][row]
            assert value == pytest.approx(trial[key], rel=1e-5) if trial["state"] != "FAIL" else value is None
        if trial["state"] == "FAIL":
            continue
        packed = found["details"][str(trial["number"])]
        names, kinds = found["shapes"][packed["shape"]]
        assert names == [layer["layer"] for layer in trial["layers"]] and set(kinds) == {"QuantConv2d"}
        assert packed["layers"]["weight_bits"] == [layer["weight_bits"] for layer in trial["layers"]]
        for name, runs in packed["widths"].items():
            widths = [next(bits for at, bits in reversed(runs) if at <= epoch) for epoch in range(12)]
            assert widths == [epoch["widths"][name] for epoch in trial["epochs"]]


def test_of_too_many_details_the_front_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(made_up_trials(30), made_up_run())
    monkeypatch.setattr("hwcost.report.figure_data.MOST_DETAILS", 1)
    kept = json.loads(figure_data(study))["details"]
    assert {int(number) for number in kept} == set(study.front["number"])


def test_no_text_ends_the_script() -> None:
    found = figure_data(read_study(made_up_trials(9), made_up_run(study="</script><b>", trial_command="<{number}>&")))
    assert "<" not in found and "&" not in found and json.loads(found)["commands"]["train"] == "<{number}>&"


def test_large_numbers_keep_their_whole_part_and_rates_are_rounded_down() -> None:
    trials = made_up_trials(3)
    trials["fps"], trials["latency_us"] = 4_166_666.67, 1_234_567.8
    columns = json.loads(figure_data(read_study(trials, made_up_run())))["columns"]
    assert (columns["fps"][0], columns["latency_us"][0]) == (4_166_666, 1_234_568)


def test_energy_is_a_column_and_an_axis_where_some_trial_has_one() -> None:
    trials = made_up_trials(3)
    assert "energy_uj" not in data(trials)["columns"]
    found = data(trials.assign(energy_uj=[12.5, float("nan"), 50.0]))
    (metric,) = (metric for metric in found["metrics"] if metric["key"] == "energy_uj")
    assert (metric["kind"], metric["better"], metric["unit"], metric["table"]) == ("speed", "min", "uJ", True)
    assert found["columns"]["energy_uj"] == [12.5, None, 50.0]


def test_an_interval_is_that_of_samples_alone() -> None:
    assert data(made_up_trials(3))["binomial"] and data(made_up_trials(3))["samples"]["validation"] == 360
    assert not data(made_up_trials(3), score="IoU")["binomial"]
