"""Checks of records: what is edited by hand is named with its place and what it must be."""

from __future__ import annotations

from typing import Any

import pytest
from made_up_study import PART, made_up_run, made_up_trials

from hwcost.errors import BadStudy
from hwcost.report.checks import check_details, nested


def test_a_run_as_it_is_written_passes() -> None:
    check_details(made_up_run())
    check_details({})
    check_details(made_up_run(parts=[PART]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trial_command": 3}, r"run\['trial_command'\] is 3; it must be text"),
        ({"target_fps": "fast"}, r"run\['target_fps'\] is 'fast'; it must be a number"),
        ({"target_fps": True}, r"run\['target_fps'\] is True"),
        ({"bits": [2, 5, 8]}, r"run\['bits'\] .* it must be a pair of numbers"),
        ({"limits": {"LUT": float("nan")}}, r"run\['limits'\] .* a table of numbers"),
        ({"error_band": {"LUT": [1]}}, r"run\['error_band'\] .* pairs of numbers"),
        ({"device": {"name": 7}}, r"run\['device'\]\['name'\] is 7; it must be text"),
        ({"device": {"LUT": "many"}}, r"run\['device'\]\['LUT'\] is 'many'; it must be a number"),
        ({"device": {"unconfirmed": "LUT"}}, r"run\['device'\]\['unconfirmed'\] .* a list of texts"),
        ({"data": {"step": float("inf")}}, r"run\['data'\]\['step'\] is inf"),
        ({"parts": [{**PART, "name": None}]}, r"run\['parts'\] .* a list of parts with their fronts"),
        ({"parts": [{**PART, "front": [{"number": 1.0}]}]}, r"run\['parts'\]"),
        ({"parts": [{**PART, "fitting": "all"}]}, r"run\['parts'\]"),
        ({"float": {"test": []}}, r"run\['float'\]\['test'\] is \[\]"),
    ],
)
def test_an_entry_of_a_wrong_type_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadStudy, match=message):
        check_details({**made_up_run(), **change})


def test_entries_of_a_trial_as_they_are_written_pass() -> None:
    for _, row in made_up_trials(4).iterrows():
        for name in ("params", "layers", "epochs"):
            assert nested(name, row["number"], row[name]) is row[name]
    assert nested("params", 0, None) == nested("budget", 0, float("nan")) == {}
    assert nested("layers", 0, None) == nested("repeats", 0, float("nan")) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("params", [], "params is .*a table of parameters"),
        ("budget", {"LUT": "x"}, "budget is .*a table of numbers"),
        ("layers", {}, "layers is .*a list of tables"),
        ("layers", [{"layer": 3}], "layers: layer is 3; it must be a name"),
        ("layers", [{"layer": "fc", "LUT": "x"}], "layers: fc: LUT is 'x'; it must be a number"),
        ("layers", [{"layer": "fc", "kind": 1}], "layers: fc: kind is 1; it must be text"),
        ("epochs", [{"loss": float("inf")}], "epochs: loss is inf"),
        ("epochs", [{"widths": []}], "epochs: widths is .*a table of widths"),
        ("epochs", [{"widths": {"fc": "4"}}], "epochs: widths: fc is '4'"),
        ("repeats", [{"seed": "a"}], "repeats: seed is 'a'"),
    ],
)
def test_an_entry_of_a_trial_of_a_wrong_type_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(BadStudy, match=f"report: trial 3: {message}"):
        nested(name, 3, value)
