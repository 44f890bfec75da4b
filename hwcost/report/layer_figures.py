"""Figures by layer: the map of bit-widths, the LUTs, and the widths during a training."""

import itertools
import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from hwcost.report.axes import percent_ticks, short
from hwcost.report.pareto import Floats
from hwcost.report.study import Study
from hwcost.report.style import INK, MUTED, RAMP, SERIES, Drawing, quiet, readable_on

_COLUMNS = 24  # front points in the map
_BARS = 8  # front points in the LUT bars
_COLUMN = 0.42  # inches of a column of the map, whose head is a number in four digits
_NAMED = len(SERIES) - 2  # layers with a colour of their own; the last greyish colour is for the rest


def _value(entry: Mapping[str, object], key: str) -> float:
    value = entry.get(key)
    return float(value) if isinstance(value, int | float | np.number) else math.nan


def _chosen(study: Study, most: int) -> pd.DataFrame:
    """Front points with layers: all, or `most` evenly spread ones with the marked among them."""
    front = study.front
    front = front[np.array([len(layers) > 0 for layers in front["layers"]], dtype=bool)]
    if len(front) <= most:
        return front
    marked = [list(front.index).index(mark.row) for mark in study.marks if mark.row in front.index][:most]
    spread = [round(position) for position in np.linspace(0, len(front) - 1, most)]
    rest = [position for position in spread if position not in marked]
    return front.iloc[sorted([*marked, *rest[: most - len(marked)]])]


def _layers_with(front: pd.DataFrame, key: str) -> list[str]:
    names: dict[str, None] = {}
    for layers in front["layers"]:
        names.update({str(entry["layer"]): None for entry in layers if math.isfinite(_value(entry, key))})
    return list(names)


def _matrix(front: pd.DataFrame, names: list[str], key: str) -> Floats:
    table = np.full((len(names), len(front)), np.nan)
    for column, layers in enumerate(front["layers"]):
        for entry in layers:
            if str(entry["layer"]) in names:
                table[names.index(str(entry["layer"])), column] = _value(entry, key)
    return table


def _label_inches(names: Iterable[str]) -> float:
    """Room that the longest of some names needs at the left of a figure."""
    return 0.25 + 0.068 * max(map(len, names))


def bit_width_figure(study: Study, width: float = 7.0) -> Drawing | None:
    """Heat maps layer x front point, weights above activations, cheapest point first; None without any width.

    Args:
        study: to draw.
        width: in inches; of many front points as many are drawn as it has room for.
    """
    front = _chosen(study, _COLUMNS)
    panels = [(title, _layers_with(front, key), key)
              for title, key in (("weights", "weight_bits"), ("activations", "activation_bits"))]  # fmt: skip
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    rows = sum(len(names) for _, names, _ in panels)
    left = _label_inches([name for _, names, _ in panels for name in names] + [study.score.heading()])
    front = _chosen(study, min(_COLUMNS, max(2, int((width - left) / _COLUMN))))
    figure = Figure(figsize=(width, 0.24 * rows + 0.95), layout="constrained")
    ratios = [len(names) for _, names, _ in panels]
    grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    everything = np.concatenate([_matrix(front, names, key).ravel() for _, names, key in panels])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    for axes, (title, names, key) in zip(grid, panels, strict=True):
        _map(axes, _matrix(front, names, key), names, (low, high))
        axes.set_title(f"bits of {title}", color=INK, pad=4)
    _column_heads(grid[-1], study, front)
    summary = (
        f"Bit-widths of {rows} weight and activation tensors in {len(front)} front points, "
        f"from {low:g} to {high:g} bits; the numbers are in the cells and in the table of front points."
    )
    return Drawing(name="bits", figure=figure, alternative=summary)


def _map(axes: Axes, bits: Floats, names: list[str], ends: tuple[float, float]) -> None:
    low, high = ends
    for (row, column), value in np.ndenumerate(bits):
        if not math.isfinite(value):
            continue
        share = (value - low) / (high - low) if high > low else 0.5
        color = RAMP[round(share * (len(RAMP) - 1))]
        axes.add_patch(Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, facecolor=color, lw=0))
        words = f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
        axes.text(column, row, words, ha="center", va="center_baseline", color=readable_on(color))
    axes.set_xlim(-0.5, bits.shape[1] - 0.5)
    axes.set_ylim(bits.shape[0] - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([])
    axes.tick_params(axis="y", labelcolor=INK)
    quiet(axes)


def _column_heads(axes: Axes, study: Study, front: pd.DataFrame) -> None:
    marks = {mark.row for mark in study.marks}
    heads = []
    for row, trial in front.iterrows():
        cost = short(trial[study.cost]) if study.cost else ""
        heads.append(
            f"{cost}\n{study.score.number(trial['accuracy'], 1)}\n{trial['number']}{'*' if row in marks else ''}"
        )
    axes.set_xticks(range(len(heads)), heads, linespacing=1.5)
    words = f"{study.cost or ''}\n{study.score.heading()}\ntrial"
    axes.annotate(words, (0, 0), (-5, -3.5), xycoords="axes fraction",
                  textcoords="offset points", ha="right", va="top", color=MUTED, linespacing=1.5)  # fmt: skip


def lut_figure(study: Study, width: float = 7.0) -> Drawing | None:
    """Stacked bars of LUTs per layer for up to eight front points, `width` inches wide; None without numbers."""
    front = _chosen(study, _BARS)
    names = _layers_with(front, "LUT")
    table = np.nan_to_num(_matrix(front, names, "LUT"))
    if not len(names) or table.max() <= 0:
        return None
    order = np.argsort(-table.max(axis=1), kind="stable")
    named = sorted(int(i) for i in order[:_NAMED] if table[i].max() > 0)
    rest = table.sum(axis=0) - table[named].sum(axis=0)
    stacks = [(names[i], table[i], SERIES[slot]) for slot, i in enumerate(named)]
    if rest.max() > 1e-9 * table.max():
        stacks.append(("all other layers", rest, SERIES[6]))
    entries = max(1, int(width / _label_inches([*names, "all other layers"])))
    figure = Figure(figsize=(width, 0.3 * len(front) + 0.5 + 0.2 * -(-len(stacks) // entries)), layout="constrained")
    axes = figure.subplots()
    total = table.sum(axis=0)
    left = np.zeros(len(front))
    for label, values, color in stacks:
        axes.barh(range(len(front)), values, left=left, color=color, height=0.74, label=label, lw=0)
        for position, value in enumerate(values):
            if value > 0.9 / width * total.max():
                axes.text(left[position] + value / 2, position, short(round(value)), ha="center", va="center_baseline",
                          color=readable_on(color))  # fmt: skip
        left += values
    marks = {mark.row: mark.short for mark in study.marks}
    for position, (row, amount) in enumerate(zip(front.index, total, strict=True)):
        words = f"{amount:,.0f}" + (f" ({marks[row]})" if row in marks and width > 5 else "")
        axes.annotate(words, (amount, position), (5, 0), textcoords="offset points", va="center_baseline",
                      color=INK)  # fmt: skip
    heads = [f"trial {t['number']}, {study.score.text(t['accuracy'], 1)}" for _, t in front.iterrows()]
    axes.set_yticks(range(len(front)), heads)
    axes.set_ylim(len(front) - 0.5, -0.5)
    axes.set_xlim(0, 1.3 * total.max())
    axes.set_xticks([])
    axes.tick_params(axis="y", labelcolor=INK)
    quiet(axes)
    figure.legend(loc="outside upper left", ncols=entries, frameon=False, labelcolor=INK,
                  handlelength=0.9, handleheight=0.9, columnspacing=1.2, handletextpad=0.4)  # fmt: skip
    summary = "LUTs per layer: " + "; ".join(
        f"trial {t['number']}: {short(amount)} in total, most in {names[int(np.argmax(table[:, column]))]}"
        for column, ((_, t), amount) in enumerate(zip(front.iterrows(), total, strict=True))
    )
    return Drawing(name="layers", figure=figure, alternative=f"{summary}.")


def training_trial(study: Study) -> int | None:
    """Row whose training is shown: the knee, else the best front point; None without epochs."""
    rows = [mark.row for mark in study.marks if "knee" in mark.names]
    rows += list(study.front.sort_values("accuracy", ascending=study.score.direction == "minimize").index)
    return next((row for row in rows if len(study.complete["epochs"][row]) > 1), None)


def training_figure(study: Study, width: float = 7.0) -> Drawing | None:
    """Validation score and widths during the training of `training_trial`: a row for each width; None without epochs.

    Args:
        study: to draw.
        width: in inches.
    """
    row = training_trial(study)
    if row is None:
        return None
    epochs = study.complete["epochs"][row]
    steps = [_value(entry, "epoch") for entry in epochs]
    names = list(dict.fromkeys(str(name) for entry in epochs for name in entry.get("widths") or {}))
    curves = {n: np.array([_value(entry.get("widths") or {}, n) for entry in epochs]) for n in names}
    rows = 0.19 * len(names)
    figure = Figure(figsize=(width, 1.6 + rows), layout="constrained")
    ratios = [1.0, rows] if names else [1.0]
    grid = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    accuracy = study.score.shown(np.array([_value(entry, "accuracy") for entry in epochs]))
    grid[0].plot(steps, accuracy, color=INK, lw=1.2)
    grid[0].set_ylabel(f"validation\n{study.score.heading()}")
    if study.score.unit == "%":
        percent_ticks(grid[0], 3)
    if names:
        _width_rows(grid[1], steps, curves)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    moved = [f"{n} {c[0]:.3g} to {c[-1]:.3g}" for n, c in curves.items() if len(c) and c[0] != c[-1]]
    summary = f"Training of trial {study.complete['number'][row]} over {len(epochs)} epochs. " + (
        f"Widths that moved, in bits: {', '.join(moved)}." if moved else "No width moved."
    )
    return Drawing(name="training", figure=figure, alternative=summary)


def _width_rows(axes: Axes, steps: list[float], curves: Mapping[str, Floats]) -> None:
    """Draw a box for each width, as long as it stayed, with its bits in it where they have room."""
    known = np.concatenate(list(curves.values()))
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    for row, curve in enumerate(curves.values()):
        starts = [0, *(np.flatnonzero(np.diff(curve)) + 1)]
        for start, end in itertools.pairwise([*starts, len(curve)]):
            if not math.isfinite(curve[start]):
                continue
            share = (curve[start] - low) / (high - low) if high > low else 0.5
            color = RAMP[round(share * (len(RAMP) - 1))]
            left, wide = steps[start] - 0.5, steps[end - 1] - steps[start] + 1.0
            axes.add_patch(Rectangle((left, row - 0.45), wide, 0.9, facecolor=color, lw=0))
            if wide > len(steps) / 25:
                axes.text(left + wide / 2, row, f"{curve[start]:.3g}", ha="center", va="center_baseline",
                          color=readable_on(color))  # fmt: skip
    axes.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    axes.set_ylim(len(curves) - 0.5, -0.5)
    axes.set_yticks(range(len(curves)), list(curves))
    axes.tick_params(axis="y", labelcolor=INK)
    quiet(axes)
