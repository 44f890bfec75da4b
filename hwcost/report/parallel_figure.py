"""Parallel coordinates: every trial as a line through its parameters, its costs and its score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from hwcost.report.axes import short
from hwcost.report.checks import COSTS
from hwcost.report.pareto import Floats
from hwcost.report.study import Study
from hwcost.report.style import ACCENT, INK, MUTED, Drawing, quiet, sheet

_PARAMETERS = 10  # axes that a page has room for, besides costs and score
_APART = 0.5  # inches between two axes, for the numbers at their ends
_BEHIND = 300  # dominated trials drawn; more would be a solid grey area
_LETTERS = 24  # of a name
_FAINTEST = 0.35  # opacity of the worst line; a ramp of colours would not read on dark and light pages alike


@dataclass(frozen=True, eq=False, kw_only=True)
class _Axis:
    """Vertical axis: where each finished trial crosses it, from 0 to 1, and the labels of its ends."""

    key: str
    name: str
    heights: Floats
    low: str
    high: str


def parallel_figure(study: Study, width: float | None = None) -> Drawing | None:
    """Lines of the front in colour, stronger for better ones, the dominated trials grey behind them.

    The axes are the parameters that differ between trials (if there are more than ten, the ten with the highest rank
    correlation to the score), the costs that differ, and the score.

    Args:
        study: to draw.
        width: in inches, by default what the axes need; with too many for it, those that go most with the score.

    Returns:
        The drawing; None with fewer than two finished trials, or if nothing but the score differs.
    """
    axes = [*_parameters(study), *_costs(study)]
    accuracy = study.column("accuracy")
    last = _numbers(study.score.heading(f"validation {study.score.name}"), study.score.shown(accuracy), even=True)
    if last is None or not axes:
        return None
    drawn = [*(axes if width is None else _most_related(study, axes, max(2, int(width / _APART) - 2))), last]
    figure, sheet_axes = sheet(width or 1.4 + 0.7 * max(len(drawn), 4), 3.0)
    quiet(sheet_axes)
    table = np.column_stack([axis.heights for axis in drawn])
    places = np.arange(len(drawn))
    ahead = study.complete["on_front"].to_numpy(dtype=bool)
    behind = np.flatnonzero(~ahead)
    shown = behind[np.unique(np.linspace(0, len(behind) - 1, min(len(behind), _BEHIND)).round().astype(int))]
    for row in shown:
        sheet_axes.plot(places, table[row], color=MUTED, lw=0.5, alpha=0.25, zorder=1)
    points, good = {}, last.heights if study.score.direction == "maximize" else 1 - last.heights
    for row in np.flatnonzero(ahead):
        number = int(study.complete["number"][row])
        strength = _FAINTEST + (1 - _FAINTEST) * float(np.nan_to_num(good[row]))
        sheet_axes.plot(places, table[row], color=ACCENT, alpha=strength, lw=1.4, zorder=3, gid=f"point-{row}")
        points[str(row)] = (number, f"trial {number}: {study.score.text(accuracy[row])}")
    for place, axis in zip(places, drawn, strict=True):
        sheet_axes.axvline(float(place), color=INK, lw=0.7, zorder=2)
        for height, words, side in ((0, axis.low, "top"), (1, axis.high, "bottom")):
            sheet_axes.annotate(words, (place, height), (0, 3 if height else -3), textcoords="offset points",
                                ha="center", va=side, color=MUTED)  # fmt: skip
    sheet_axes.set_xticks(places, [axis.name for axis in drawn], rotation=40, ha="right", color=INK)
    sheet_axes.tick_params(axis="x", pad=14)
    sheet_axes.set_yticks([])
    sheet_axes.set(xlim=(-0.45, len(drawn) - 0.55), ylim=(0, 1))
    summary = (
        f"Parallel coordinates of {ahead.sum()} front points, with {len(shown)} of {len(behind)} dominated trials "
        f"behind: {', '.join(axis.name for axis in drawn)}."
    )
    return Drawing(name="parallel", figure=figure, alternative=summary, points=points)


def related_parameters(study: Study) -> list[str]:
    """The parameters that differ between finished trials; of more than ten, those that go most with the score."""
    return [axis.key for axis in _parameters(study)]


def _parameters(study: Study) -> list[_Axis]:
    columns = pd.DataFrame(list(study.complete["params"]), index=study.complete.index)
    found = [axis for name in columns if (axis := _axis(str(name), columns[name])) is not None]
    return _most_related(study, found, _PARAMETERS)


def _most_related(study: Study, axes: list[_Axis], most: int) -> list[_Axis]:
    """Keep the axes whose ranks correlate most with those of the score."""
    accuracy = pd.Series(study.column("accuracy")).rank()

    def related(axis: _Axis) -> float:
        return float(np.nan_to_num(abs(pd.Series(axis.heights).rank().corr(accuracy))))

    kept = sorted(axes, key=related, reverse=True)[:most]
    return [axis for axis in axes if axis in kept]


def _costs(study: Study) -> list[_Axis]:
    return [axis for name in COSTS if (axis := _numbers(name, study.column(name))) is not None]


def _axis(name: str, values: pd.Series[Any]) -> _Axis | None:
    """Axis of a parameter; choices other than numbers are in the order of their names."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _numbers(name, values.to_numpy(dtype=float))
    words = values.map(str).where(values.notna())
    names = sorted(words.dropna().unique())
    places = words.map({word: float(at) for at, word in enumerate(names)}).to_numpy(dtype=float)
    axis = _numbers(name, places, even=True)
    return None if axis is None else replace(axis, low=names[0], high=names[-1])


def _numbers(name: str, values: Floats, *, even: bool = False) -> _Axis | None:
    """Axis from the least to the greatest known value, logarithmic over more than a factor of 3; None if all are equal.

    Args:
        name: of the quantity.
        values: of the finished trials.
        even: never logarithmic, as a score and the order of names are not.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2 or known.min() == known.max():
        return None
    low, high = float(known.min()), float(known.max())
    wide = not even and low > 0 and high > 3 * low
    scaled = np.log(values / low) / math.log(high / low) if wide else (values - low) / (high - low)
    label = name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
    return _Axis(key=name, name=label + " (log)" * wide, heights=scaled, low=short(low), high=short(high))
