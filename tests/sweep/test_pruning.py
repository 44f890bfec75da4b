"""Pruning: a training ends where most finished ones that cost no more were ahead of it at the same epoch."""

from __future__ import annotations

from typing import Any

import pytest

from hwcost.errors import HopelessTrial
from hwcost.search import Objective
from hwcost.sweep.pruning import Pruning, curve_of
from hwcost.train.run import Epoch

UP = (Objective("accuracy", "maximize"), Objective("LUT", "minimize"))
DOWN = (Objective("LUT", "minimize"), Objective("accuracy", "minimize"), Objective("fps", "maximize"))
GOOD = tuple(0.2 * epoch for epoch in range(1, 6))


def epoch(number: int, score: float, luts: float = 100.0, *, settled: bool = True) -> Epoch:
    return Epoch(epoch=number, loss=0.0, accuracy=score, cost={"LUT": luts}, widths={}, settled=settled)


def ended_at(objectives: Any, rivals: Any, scores: list[float], **figures: float) -> int | None:
    pruning = Pruning(objectives, rivals, lambda one: one.cost | figures)
    for number, score in enumerate(scores, start=1):
        try:
            pruning(epoch(number, score))
        except HopelessTrial:
            return number
    return None


def rivals(luts: list[float], curve: tuple[float, ...] = GOOD) -> list[Any]:
    return [((1.0, one), curve) for one in luts]


def test_behind_the_median_of_those_that_cost_no_more() -> None:
    cheap = rivals([50, 60, 90, 100])
    assert ended_at(UP, cheap, [0.1, 0.2, 0.3, 0.4]) == 3  # two epochs say little
    assert ended_at(UP, cheap, list(GOOD)) is None  # as good
    assert ended_at(UP, cheap, [0.9, 0.1, 0.1, 0.1, 0.1]) == 5  # its best counts, until the others are ahead of that
    assert ended_at(UP, rivals([50, 60, 90, 101]), [0.0] * 5) is None  # three cost no more
    assert ended_at(UP, cheap[:2] + rivals([50, 50], (0.0,) * 5), [0.3, 0.3, 0.31, 0.31]) == 4  # median .3, then .4
    assert ended_at(UP, [], [0.0] * 5) is None


def test_directions_of_score_and_cost() -> None:
    slow = [((50.0, 1.0, 10.0), (4.0, 3.0, 2.0, 1.0))] * 4
    assert ended_at(DOWN, slow, [5.0, 4.0, 3.0], fps=9.0) == 3
    assert ended_at(DOWN, slow, [5.0, 4.0, 3.0], fps=11.0) is None  # faster than all of them
    assert ended_at(DOWN, slow, [4.0, 2.0, 2.0], fps=9.0) is None


def test_while_widths_may_still_fall_nothing_is_known() -> None:
    pruning = Pruning(UP, rivals([50] * 4), lambda one: one.cost)
    for number in range(1, 5):
        pruning(epoch(number, 0.0, settled=False))
    with pytest.raises(HopelessTrial, match=r"after epoch 5: its best score 0 is behind 1, the median of 4 finished"):
        pruning(epoch(5, 0.0))


def test_the_curve_of_a_finished_trial() -> None:
    assert curve_of({"epochs": [{"accuracy": 0.5, "loss": 1}, {"accuracy": 1}]}) == [0.5, 1.0]
