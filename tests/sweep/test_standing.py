"""The standing of a study: its front by validation figures, and the trials that ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tiny_recipe
from sweeps import experiment

from hwcost.sweep.standing import Standing, named, points, standing
from hwcost.train.ready_tasks import CLASSIFICATION


class Frame:
    """A study that has only its table."""

    def __init__(self, *rows: tuple[str, float, float, float]) -> None:
        names = ("state", "accuracy", "LUT", "BRAM18")
        self._rows = [{"number": at, **dict(zip(names, row, strict=True))} for at, row in enumerate(rows)]

    def frame(self, *, known: Collection[int] = ()) -> pd.DataFrame:
        return pd.DataFrame([row for row in self._rows if row["number"] not in known])


def stands(tmp_path: Path, *rows: Any) -> Standing:
    return standing(Frame(*rows), experiment(tiny_recipe.recipe, tmp_path))  # type: ignore[arg-type] # its table is all


def test_the_front_is_of_finished_trials(tmp_path: Path) -> None:
    found = stands(
        tmp_path,
        ("COMPLETE", 0.9, 900, 2),
        ("FAIL", float("nan"), float("nan"), float("nan")),
        ("COMPLETE", 0.8, 500, 2),
        ("COMPLETE", 0.8, 600, 2),  # beaten
        ("COMPLETE", 0.7, 600, 1),
        ("RUNNING", float("nan"), float("nan"), float("nan")),
    )
    assert found.finished == 4 and [row["number"] for row in found.front] == [0, 2, 4]
    assert [row["number"] for row in found.ended] == [0, 1, 2, 3, 4]


def test_without_a_finished_trial_there_is_no_front(tmp_path: Path) -> None:
    found = stands(tmp_path, ("FAIL", float("nan"), float("nan"), float("nan")))
    assert (found.finished, found.front, len(found.ended)) == (0, [], 1)


def test_points_are_in_the_order_of_the_objectives(tmp_path: Path) -> None:
    rows = [{"BRAM18": 2, "LUT": 900, "accuracy": 0.9}]
    assert points(rows, experiment(tiny_recipe.recipe, tmp_path)).tolist() == [[0.9, 900.0, 2.0]]
    assert named({"a": 1, 2: "b"}) == {"a": 1, "2": "b"}


@pytest.mark.parametrize(("direction", "worst", "front"), [("maximize", 0.8, [0, 2]), ("minimize", 0.8, [2])])
def test_beyond_the_worst_score_there_is_no_front(tmp_path: Path, direction: Any, worst: float, front: Any) -> None:
    task = replace(CLASSIFICATION, direction=direction)
    recipe = replace(tiny_recipe.recipe, worst_score=worst, task=task)
    rows = [("COMPLETE", 0.9, 900, 2), ("COMPLETE", 0.7, 200, 2), ("COMPLETE", 0.8, 100, 2)]
    rows = rows if direction == "maximize" else [rows[0], ("COMPLETE", 0.85, 50, 2), rows[2]]
    found = standing(Frame(*rows), experiment(recipe, tmp_path))  # type: ignore[arg-type] # its table is all
    assert (found.finished, [row["number"] for row in found.front]) == (3, front)
    none = replace(recipe, worst_score=1.0 if direction == "maximize" else -1.0)
    found = standing(Frame(*rows), experiment(none, tmp_path))  # type: ignore[arg-type] # its table is all
    assert (found.finished, found.front) == (3, [])


def test_from_an_earlier_standing_only_what_ended_since_is_read(tmp_path: Path) -> None:
    rows: list[tuple[str, float, float, float]] = [
        ("COMPLETE", 0.9, 900, 2), ("FAIL", nan, nan, nan), ("COMPLETE", 0.8, 600, 2),
        ("COMPLETE", 0.8, 500, 2),  # beats the third
        ("COMPLETE", 0.7, 900, 2),  # beaten
    ]  # fmt: skip
    sweep, one = experiment(tiny_recipe.recipe, tmp_path), Standing(0, [], [])
    for count in range(len(rows) + 1):
        one = standing(Frame(*rows[:count]), sweep, one)  # type: ignore[arg-type] # its table is all
        whole = standing(Frame(*rows[:count]), sweep)  # type: ignore[arg-type] # its table is all
        assert (one.finished, one.front, one.known) == (whole.finished, whole.front, whole.known)
        assert [row["number"] for row in one.ended] == list(range(count))[-1:]
    assert [row["number"] for row in one.front] == [0, 3]
