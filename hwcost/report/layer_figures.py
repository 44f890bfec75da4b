"""Figures by layer: the map of bit-widths, the LUTs, and the widths during a training."""

import itertools
import math
from collections.abc import Mapping

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


def bit_width_figure(study: Study) -> Drawing | None:
    """Heat maps layer x front point, weights above activations, cheapest point first; None without any width."""
    front = _chosen(study, _COLUMNS)
    panels = [(title, _layers_with(front, key), key)
              for title, key in (("weights", "weight_bits"), ("activations", "activation_bits"))]  # fmt: skip
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    rows = sum(len(names) for _, names, _ in panels)
    longest = max(len(name) for _, names, _ in panels for name in names)
    figure = Figure(
        figsize=(0.3 + 0.075 * longest + 0.37 * max(len(front), 6), 0.26 * rows + 0.95), layout="constrained"
    )
    ratios = [len(names) for _, names, _ in panels]
    grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    everything = np.concatenate([_matrix(front, names, key).ravel() for _, names, key in panels])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    for axes, (title, names, key) in zip(grid, panels, strict=True):
        _map(axes, _matrix(front, names, key), names, (low, high))
        axes.set_title(f"bits of {title}", color=INK, fontsize=9, pad=4)
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
        axes.text(column, row, words, ha="center", va="center_baseline", fontsize=7.5, color=readable_on(color))
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
    axes.set_xticks(range(len(heads)), heads, fontsize=6.5, linespacing=1.5)
    words = f"{study.cost or ''}\n{study.score.heading()}\ntrial"
    axes.annotate(words, (0, 0), (-5, -3.5), xycoords="axes fraction", fontsize=6.5,
                  textcoords="offset points", ha="right", va="top", color=MUTED, linespacing=1.5)  # fmt: skip


def lut_figure(study: Study) -> Drawing | None:
    """Stacked bars of LUTs per layer for up to eight front points; None without numbers."""
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
    figure = Figure(figsize=(7.2, 0.34 * len(front) + 0.95), layout="constrained")
    axes = figure.subplots()
    total = table.sum(axis=0)
    left = np.zeros(len(front))
    for label, values, color in stacks:
        axes.barh(range(len(front)), values, left=left, color=color, height=0.74, label=label, lw=0)
        for position, value in enumerate(values):
            if value > 0.055 * total.max():
                axes.text(left[position] + value / 2, position, short(round(value)), ha="center", va="center_baseline",
                          fontsize=7, color=readable_on(color))  # fmt: skip
        left += values
    marks = {mark.row: mark.short for mark in study.marks}
    for position, (row, amount) in enumerate(zip(front.index, total, strict=True)):
        words = f"{amount:,.0f}" + (f" ({marks[row]})" if row in marks else "")
        axes.annotate(words, (amount, position), (5, 0), textcoords="offset points", va="center_baseline", fontsize=7.5,
                      color=INK)  # fmt: skip
    heads = [f"trial {t['number']}, {study.score.text(t['accuracy'], 1)}" for _, t in front.iterrows()]
    axes.set_yticks(range(len(front)), heads)
    axes.set_ylim(len(front) - 0.5, -0.5)
    axes.set_xlim(0, 1.22 * total.max())
    axes.set_xticks([])
    axes.tick_params(axis="y", labelcolor=INK)
    quiet(axes)
    figure.legend(loc="outside upper left", ncols=len(stacks), frameon=False, fontsize=7.5, labelcolor=INK,
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


def training_figure(study: Study) -> Drawing | None:
    """Widths and validation score during the training of `training_trial`; None without epochs."""
    row = training_trial(study)
    if row is None:
        return None
    epochs = study.complete["epochs"][row]
    steps = [_value(entry, "epoch") for entry in epochs]
    names = list(dict.fromkeys(str(name) for entry in epochs for name in entry.get("widths") or {}))
    curves = {n: np.array([_value(entry.get("widths") or {}, n) for entry in epochs]) for n in names}
    figure = Figure(figsize=(7.2, 3.6 if names else 2.0), layout="constrained")
    ratios = [1.0, 2.6] if names else [1.0]
    grid = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    accuracy = study.score.shown(np.array([_value(entry, "accuracy") for entry in epochs]))
    grid[0].plot(steps, accuracy, color=INK, lw=1.2)
    grid[0].set_ylabel(study.score.heading())
    if study.score.unit == "%":
        percent_ticks(grid[0], 3)
    if names:
        _width_lines(grid[1], steps, curves)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    moved = [f"{n} {c[0]:.3g} to {c[-1]:.3g}" for n, c in curves.items() if len(c) and c[0] != c[-1]]
    summary = f"Training of trial {study.complete['number'][row]} over {len(epochs)} epochs. " + (
        f"Widths that moved, in bits: {', '.join(moved)}." if moved else "No width moved."
    )
    return Drawing(name="training", figure=figure, alternative=summary)


def _width_lines(axes: Axes, steps: list[float], curves: Mapping[str, Floats]) -> None:
    """Draw a step line per width, shifted so that equal widths stay countable, and name it at its right end."""
    known = np.concatenate(list(curves.values()))
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    shift = min(0.07, 0.55 / len(curves))
    names, heights, colors = list(curves), [], []
    for index, (name, curve) in enumerate(curves.items()):
        moved = curve + shift * (index - (len(curves) - 1) / 2)
        style = "-" if "weight" in name else (0, (3.5, 1.5))
        color = SERIES[index % len(SERIES)]
        axes.plot(steps, moved, drawstyle="steps-post", color=color, lw=1.5, ls=style)
        heights.append(float(moved[np.isfinite(moved)][-1]) if np.isfinite(moved).any() else low)
        colors.append(color)
    order = sorted(range(len(names)), key=lambda index: heights[index])
    gap = (high - low + 1.4) / 17  # a line of text
    for lower, upper in itertools.pairwise(order):
        heights[upper] = max(heights[upper], heights[lower] + gap)
    overshoot = max(0.0, heights[order[-1]] - high - 0.6)
    for name, height, color in zip(names, heights, colors, strict=True):
        end = (steps[-1], height - overshoot / 2)
        axes.annotate(name, end, (8, 0), textcoords="offset points", fontsize=7.5, va="center", color=INK,
                      annotation_clip=False)  # fmt: skip
        axes.annotate("–", end, (2, 0), textcoords="offset points", fontsize=9, va="center_baseline", color=color,
                      annotation_clip=False, fontweight="bold")  # fmt: skip
    axes.set_ylim(low - 0.6, high + 0.8)
    axes.yaxis.set_major_locator(MaxNLocator(9, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=MUTED, lw=0.3, alpha=0.35)
    axes.set_ylabel("bits")
