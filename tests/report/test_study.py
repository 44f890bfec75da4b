"""The study behind the figures: its front, its marks, and everything in it that can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.errors import BadStudy
from hwcost.report import read_study, write_report


def brute_front(trials: pd.DataFrame) -> list[int]:
    done = [t for _, t in trials.iterrows() if t["state"] == "COMPLETE"]

    def beats(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
        gains = (a["accuracy"] - b["accuracy"], b["LUT"] - a["LUT"], b["BRAM18"] - a["BRAM18"])
        return min(gains) >= 0 and max(gains) > 0

    return [t["number"] for t in done if not any(beats(other, t) for other in done)]


def test_the_front_and_its_marks_by_brute_force(folder: Path) -> None:
    trials = made_up_trials().assign(on_front=True)  # what the caller claims does not count
    record = json.loads((folder / "front.json").read_text())
    front = brute_front(trials)
    assert len(front) > 5
    assert sorted(point["number"] for point in record["points"]) == front
    points = [t for _, t in trials.iterrows() if t["number"] in front and t["fits"]]
    marks = {name: mark["number"] for mark in record["marks"] for name in mark["names"]}
    for drop, name in ((0.005, "0.5 points"), (0.01, "1 point"), (0.02, "2 points")):
        good = [t for t in points if t["accuracy"] >= 0.9861 - drop - 1e-9]
        expected = min(good, key=lambda t: (t["LUT"], -t["accuracy"]))["number"] if good else None
        assert marks.get(f"cheapest within {name} of float") == expected
    assert marks["best accuracy"] == max(points, key=lambda t: (t["accuracy"], -t["LUT"]))["number"]
    assert any(f"within {name}" in " ".join(marks) for name in ("0.5", "1", "2"))


def test_a_command_per_trial() -> None:
    study = read_study(made_up_trials(5), made_up_run(trial_command="hwcost sweep --seed 3 --only {number}"))
    assert study.command(4) == "hwcost sweep --seed 3 --only 4"


def trial(number: float, **values: Any) -> dict[str, Any]:
    return {"number": number, "state": "COMPLETE", "accuracy": 0.9, "LUT": 100.0, "BRAM18": 3.0} | values


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in made_up_run().items() if k != key}


@pytest.mark.parametrize(
    ("rows", "run", "complaint"),
    [
        ([trial(0)], without("command"), "no 'command'"),
        ([trial(0)], made_up_run(seed="3"), r"run\['seed'\] is '3'"),
        ([trial(0)], made_up_run(objectives=[]), "at least one"),
        ([trial(0)], made_up_run(objectives=[{"name": "LUT", "direction": "down"}]), "direction 'down'"),
        ([trial(0)], made_up_run(objectives=["LUT"]), "needs a name"),
        ([trial(0)], made_up_run(objectives=[{"name": "watts", "direction": "minimize"}]), "objective 'watts'"),
        ([trial(0)], made_up_run(trial_command="hwcost sweep"), "has no {number}"),
        ([trial(0)], made_up_run(data={"x": object()}) | {"extra": {1}}, "JSON cannot hold"),
        ([{"state": "COMPLETE", "accuracy": 0.5}], made_up_run(), "no column number"),
        ([trial(0, state="LOST")], made_up_run(), "state 'LOST'"),
        ([trial(0), trial(0)], made_up_run(), "used twice"),
        ([trial(0, LUT="many")], made_up_run(), "'LUT' holds"),
        ([trial(0, accuracy=97.0)], made_up_run(), "ratios in 0..1"),
        ([trial(0, params=[])], made_up_run(), r"trial 0: params is \[\]; it must be a table"),
        ([trial(0, layers=[1])], made_up_run(), r"trial 0: layers is \[1\]; it must be a list of tables"),
        ([trial(0, layers=[{"LUT": 3}])], made_up_run(), "layers: layer is None; it must be a name"),
        ([trial(0, layers=[{"layer": "a", "LUT": np.inf}])], made_up_run(), "layers: a: LUT is inf"),
        ([trial(0, epochs=[{"epoch": "one"}])], made_up_run(), "epochs: epoch is 'one'"),
        ([trial(0, epochs=[{"widths": 3}])], made_up_run(), "epochs: widths is 3"),
        ([trial(0, epochs=[{"widths": {"a": "x"}}])], made_up_run(), "epochs: widths: a is 'x'"),
        ([trial(0, fits="no")], made_up_run(), "'fits' holds 'no'"),
        ([trial(np.inf)], made_up_run(), "numbers are missing"),
        ([trial(0.5)], made_up_run(), "numbers are missing"),
        ([trial(0)], made_up_run(seed=True), r"run\['seed'\] is True"),
        ([trial(0)], made_up_run(target_fps={"a": 1}), r"run\['target_fps'\] is .*; it must be a number"),
        ([trial(0)], made_up_run(error_band={"LUT": -1}), r"run\['error_band'\] is .*pairs of numbers"),
        ([trial(0)], made_up_run(float={"validation": "x"}), r"run\['float'\]\['validation'\] is 'x'"),
        ([trial(0)], made_up_run(device={"LUT": "many"}), r"run\['device'\]\['LUT'\] is 'many'"),
        ([trial(0)], made_up_run(objectives=[{"name": "LUT", "direction": "minimize"}] * 2), "a name of its own"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], run: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadStudy, match=complaint) as caught:
        write_report(tmp_path, pd.DataFrame(rows), run)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("objectives", "cost"),
    [
        ([("accuracy", "maximize"), ("energy_uj", "minimize")], "energy_uj"),
        ([("accuracy", "maximize"), ("BRAM18", "minimize"), ("LUT", "minimize")], "LUT"),
        ([("accuracy", "maximize"), ("fps", "maximize")], "LUT"),
    ],
)
def test_the_front_is_drawn_against_what_was_minimized(objectives: list[tuple[str, str]], cost: str) -> None:
    trials = made_up_trials(5)
    given = trials.assign(energy_uj=trials["LUT"] * 1e-5, fps=1000.0)
    ways = [{"name": name, "direction": direction} for name, direction in objectives]
    assert read_study(given, made_up_run(objectives=ways)).cost == cost
