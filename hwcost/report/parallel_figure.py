"""Parallel coordinates: every trial as a line through its parameters, its costs and its score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hwcost.report.axes import short
from hwcost.report.checks import COSTS
from hwcost.report.pareto import Floats
from hwcost.report.study import Study
from hwcost.report.style import ACCENT, INK, MUTED, Drawing, quiet, sheet

_PARAMETERS = 10  # axes that a page has room for, besides costs and score
_BEHIND = 300  # dominated trials drawn; more would be a solid grey area
_LETTERS = 24  # of a name
_FAINTEST = 0.35  # opacity of the worst line; a ramp of colours would not read on dark and light pages alike


@dataclass(frozen=True, eq=False, kw_only=True)
class _Axis:
    """Vertical axis: where each finished trial crosses it, from 0 to 1, and the labels of its ends."""

    name: str
    heights: Floats
    low: str
    high: str


def parallel_figure(study: Study) -> Drawing | None:
    """Lines of the front in colour, stronger for better ones, the dominated trials grey behind them.

    The axes are the parameters that differ between trials (if there are more than ten, the ten with the highest rank
    correlation to the score), the costs that differ, and the score.

    Args:
        study: to draw.

    Returns:
        The drawing; None with fewer than two finished trials, or if nothing but the score differs.
    """
    axes = [*_parameters(study), *_costs(study)]
    accuracy = study.column("accuracy")
    last = _numbers(study.score.heading(), study.score.shown(accuracy))
    if last is None or not axes:
        return None
    drawn = [*axes, last]
    figure, sheet_axes = sheet(1.4 + 0.95 * max(len(drawn), 4), 3.6)
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
                                ha="center", va=side, fontsize=7.5, color=MUTED)  # fmt: skip
    sheet_axes.set_xticks(places, [axis.name for axis in drawn], rotation=24, ha="right", color=INK, fontsize=8)
    sheet_axes.tick_params(axis="x", pad=14)
    sheet_axes.set_yticks([])
    sheet_axes.set(xlim=(-0.45, len(drawn) - 0.55), ylim=(0, 1))
    summary = (
        f"Parallel coordinates of {ahead.sum()} front points, with {len(shown)} of {len(behind)} dominated trials "
        f"behind: {', '.join(axis.name for axis in drawn)}."
    )
    return Drawing(name="parallel", figure=figure, alternative=summary, points=points)


def _parameters(study: Study) -> list[_Axis]:
    columns = pd.DataFrame(list(study.complete["params"]), index=study.complete.index)
    found = [axis for name in columns if (axis := _axis(str(name), columns[name])) is not None]
    if len(found) <= _PARAMETERS:
        return found
    accuracy = pd.Series(study.column("accuracy")).rank()

    def related(axis: _Axis) -> float:
        return float(np.nan_to_num(abs(pd.Series(axis.heights).rank().corr(accuracy))))

    ranked = sorted(found, key=related, reverse=True)[:_PARAMETERS]
    return [axis for axis in found if axis in ranked]


def _costs(study: Study) -> list[_Axis]:
    found = []
    for name in COSTS:
        values = study.column(name)
        known = values[np.isfinite(values)]
        wide = len(known) > 0 and known.min() > 0 and known.max() > 3 * known.min()
        axis = _numbers(f"{name} (log)" if wide else name, values, logarithmic=wide)
        found += [] if axis is None else [axis]
    return found


def _axis(name: str, values: pd.Series[Any]) -> _Axis | None:
    """Axis of a parameter; choices other than numbers are in the order of their names."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _numbers(name, values.to_numpy(dtype=float))
    words = values.map(str).where(values.notna())
    names = sorted(words.dropna().unique())
    places = words.map({word: float(at) for at, word in enumerate(names)}).to_numpy(dtype=float)
    axis = _numbers(name, places)
    return None if axis is None else _Axis(name=axis.name, heights=axis.heights, low=names[0], high=names[-1])


def _numbers(name: str, values: Floats, *, logarithmic: bool = False) -> _Axis | None:
    """Axis from the least to the greatest known value; None if all are equal."""
    known = values[np.isfinite(values)]
    if len(known) < 2 or known.min() == known.max():
        return None
    low, high = float(known.min()), float(known.max())
    scaled = np.log(values / low) / math.log(high / low) if logarithmic else (values - low) / (high - low)
    label = name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
    return _Axis(name=label, heights=scaled, low=short(low), high=short(high))
