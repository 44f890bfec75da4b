"""Score against cost: the main figure, its narrow twin, and one small figure for every other resource."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwcost.report.axes import UNITS, cost_axis, counted, headed, name_line, place_labels, score_axis, short
from hwcost.report.noise import intervals
from hwcost.report.pareto import Floats, non_dominated
from hwcost.report.study import Study
from hwcost.report.style import ACCENT, BEYOND, INK, MUTED, PAPER, RAMP, Drawing, sheet

WIDE = 7.0
"""Width of a figure across a page, in inches; a column is half of it."""


def _stairs(axes: Axes, cost: Floats, accuracy: Floats, direction: str, cheaper: str = "minimize") -> None:
    """The best score of use for at most this cost (at least this speed), as steps to the edge of the view."""
    best = non_dominated(np.column_stack([accuracy, cost]), [direction, cheaper])
    order = np.lexsort((accuracy[best], cost[best] if cheaper == "minimize" else -cost[best]))
    xs, ys = cost[best][order], accuracy[best][order]
    if len(xs):
        edge = axes.get_xlim()[1 if cheaper == "minimize" else 0]
        axes.step(np.append(xs, edge), np.append(ys, ys[-1]), where="post", color=ACCENT, lw=1.1, zorder=2)


def _shades(values: Floats) -> tuple[list[str], list[tuple[str, str]]]:
    """A colour of the ramp for every value, and the (colour, label) of the legend; one colour for constant values."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 2:
        return [ACCENT] * len(values), []
    steps = min(len(known), 4)
    edges = np.quantile(known, np.linspace(0, 1, steps + 1)[1:-1], method="inverted_cdf")
    levels = np.searchsorted(edges, values, side="left")
    colors = [RAMP[round(1 + 5 * level / (steps - 1))] for level in range(steps)]
    bounds = [known[0], *[known[known > edge][0] for edge in edges]]
    ends = [*edges, known[-1]]
    legend = [
        (color, short(a) if a == b else f"{short(a)}–{short(b)}")
        for color, a, b in zip(colors, bounds, ends, strict=True)
    ]
    return [colors[level] if math.isfinite(v) else PAPER for level, v in zip(levels, values, strict=True)], legend


def _budget(axes: Axes, study: Study, name: str, *, label: bool) -> None:
    """Shade what lies beyond the part, where that is in view."""
    budget = study.budget(name)
    left, right = axes.get_xlim()
    if not math.isfinite(budget) or not left < budget < right:
        return
    axes.axvspan(budget, right, color=BEYOND, lw=0, zorder=0)
    axes.axvline(budget, color=INK, lw=0.8, zorder=1)
    if label:
        at_right = axes.transAxes.inverted().transform(axes.transData.transform((budget, 0)))[0] > 0.6
        axes.annotate(f"{study.run['device'].get('name', 'part')}: {budget:,.0f} {name}", (budget, 1), (0, 2),
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points", color=INK,
                      ha="right" if at_right else "center", va="bottom")  # fmt: skip
    axes.set_xlim(left, right)


def _intervals(study: Study, scores: Floats) -> list[tuple[float, float]]:
    """95 % interval of each accuracy on the validation samples; none for a score that is no share of samples."""
    samples = study.run["data"].get("validation")
    if not study.binomial or not samples:
        return []
    return intervals(scores, int(samples))


def _words(study: Study, row: int) -> str:
    accuracy, bram18 = study.column("accuracy")[row], study.column("BRAM18")[row]
    cost = f", {short(study.column(study.cost)[row])} {study.cost}" if study.cost else ""
    bram = f", {bram18:g} BRAM18" if math.isfinite(bram18) and study.cost != "BRAM18" else ""
    return f"trial {study.complete['number'][row]}: {study.score.text(accuracy)}{cost}{bram}"


def _front_points(figure: Figure, axes: Axes, study: Study, cost: str) -> dict[str, tuple[int, str]]:
    front = study.front
    colors, legend = _shades(study.column("BRAM18", front))
    words, factor = {}, study.score.factor
    for x, (low, high) in zip(
        study.column(cost, front), _intervals(study, study.column("accuracy", front)), strict=False
    ):
        axes.plot([x, x], [factor * low, factor * high], color=MUTED, lw=0.8, marker="_", ms=3.5, zorder=2.4)
    for color, (row, trial) in zip(colors, front.iterrows(), strict=True):
        fits = trial["fits"] is None or bool(trial["fits"])
        x, y, test, refit = trial[cost], *(factor * trial[f"{name}accuracy"] for name in ("", "test_", "refit_"))
        if math.isfinite(test):
            if (seeds := study.over_seeds(trial)) is not None:
                mean, spread = factor * seeds[0], factor * seeds[1]
                axes.errorbar(x, mean, yerr=spread, color=MUTED, elinewidth=1.6, capsize=2.5, zorder=2.6)
            axes.plot(x, test, "s", ms=4, mfc=PAPER, mec=INK, mew=0.8, zorder=3)
        if math.isfinite(refit):
            axes.plot(x, refit, "^", ms=5, mfc=PAPER, mec=MUTED, mew=0.9, zorder=3)
        measured = trial["LUT_measured"] if cost == "LUT" else math.nan
        if math.isfinite(measured):
            axes.plot([x, measured], [y, y], color=MUTED, lw=0.6, zorder=2.5)
            axes.plot(measured, y, "D", ms=4.5, mfc=PAPER, mec=INK, mew=0.9, zorder=3)
        marker, size = ("o", 7.5) if fits else ("X", 8.5)
        axes.plot(x, y, color=color, mec=INK, mew=0.7, zorder=4, gid=f"point-{row}", ls="none",
                  marker=marker, ms=size)  # fmt: skip
        words[str(row)] = (int(trial["number"]), _words(study, int(str(row))))
    repeated = any(study.over_seeds(trial) is not None for _, trial in front.iterrows())
    tests = bool(np.isfinite(study.column("test_accuracy", front)).any())
    _legend(figure, axes, legend, tests=tests, seeds=repeated, study=study)
    return words


def _legend(
    figure: Figure, axes: Axes, shades: list[tuple[str, str]], *, tests: bool, seeds: bool, study: Study
) -> None:
    handles = []
    if len(study.complete) > len(study.front):
        label = "dominated" if study.complete["of_use"].all() else "dominated or beyond the worst"
        handles += axes.plot([], [], "o", ms=3.5, color=MUTED, alpha=0.45, mew=0, label=label)
    if not shades and len(study.front):
        handles += axes.plot([], [], "o", ms=6, color=ACCENT, mec=INK, mew=0.7, label="front, validation")
    if _intervals(study, study.column("accuracy", study.front)):
        handles += axes.plot([], [], "|", color=MUTED, mew=0.8, ms=9, label="95 % of validation samples")
    if tests:
        handles += axes.plot(
            [],
            [],
            "s",
            ms=4,
            mfc=PAPER,
            mec=INK,
            mew=0.8,
            label="test, with mean and spread over seeds" if seeds else "test",
        )
    if np.isfinite(study.column("refit_accuracy", study.front)).any():
        handles += axes.plot([], [], "^", ms=5, mfc=PAPER, mec=MUTED, mew=0.9, label="test, refit")
    if study.cost == "LUT" and np.isfinite(study.column("LUT_measured", study.front)).any():
        handles += axes.plot([], [], "D", ms=4.5, mfc=PAPER, mec=INK, mew=0.9, label="synthesized")
    if any(fits is not None and not fits for fits in study.front["fits"]):
        handles += axes.plot([], [], "X", ms=7, color=PAPER, mec=INK, mew=0.7, label="does not fit")
    for color, label in shades:
        handles += axes.plot([], [], "o", ms=6, color=color, mec=INK, mew=0.7, label=f"{label} BRAM18")
    columns = max(2, int(figure.get_figwidth() / 1.4))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, labelcolor=MUTED,
                  handletextpad=0.1, columnspacing=1.2, labelspacing=0.3, borderaxespad=0.2)  # fmt: skip


def _nothing(width: float, height: float, name: str, words: str) -> Drawing:
    figure, axes = sheet(width, height)
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return Drawing(name=name, figure=figure, alternative=words)


def front_figure(study: Study, *, name: str = "front", width: float = WIDE, height: float | None = None) -> Drawing:
    """Validation score against the main cost: front, dominated points, budget, float network, marks.

    Args:
        study: to draw; an empty one gives a figure that says so.
        name: of the drawing, unique on a page.
        width, height: in inches; without a height, one that suits the width.
    """
    height = height or max(3.0, 0.58 * width)
    cost, score = study.cost, study.score
    accuracy = score.shown(study.column("accuracy"))
    costs = study.column(cost) if cost else np.full(len(accuracy), np.nan)
    shown = np.isfinite(accuracy) & np.isfinite(costs)
    if cost is None or not shown.any():
        return _nothing(width, height, name, f"No finished trial has both {score.name} and a cost to draw.")
    figure, axes = sheet(width, height)
    front, floor = study.front, score.factor * study.float_accuracy
    front_accuracy = score.shown(study.column("accuracy", front))
    tested = [score.shown(study.column(name, front)) for name in ("test_accuracy", "refit_accuracy")]
    noise = score.factor * np.array(_intervals(study, study.column("accuracy", front))).ravel()
    focus = np.concatenate([front_accuracy, *tested, noise, [floor]])
    low, high = score_axis(axes, accuracy, focus, score)
    visible = shown & (accuracy >= low) & (accuracy <= high)
    synthesized = study.column("LUT_measured", front) if cost == "LUT" else np.empty(0)
    seen = np.concatenate([costs[visible] if visible.any() else costs[shown], synthesized])
    cost_axis(axes, seen, cost)
    _budget(axes, study, cost, label=True)
    behind = visible & ~study.complete["on_front"].to_numpy(dtype=bool)
    axes.plot(costs[behind], accuracy[behind], "o", ms=3.5, color=MUTED, alpha=0.45, mew=0, zorder=1.5)
    useful = shown & study.complete["of_use"].to_numpy(dtype=bool)
    _stairs(axes, costs[useful], accuracy[useful], score.direction)
    words = _front_points(figure, axes, study, cost)
    if math.isfinite(floor):
        name_line(figure, axes, floor, f"float {score.text(study.float_accuracy)}", _occupied(axes, study, cost))
        axes.axhline(floor, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    _label_marks(figure, axes, study, cost, narrow=width < 6)
    hidden = int((shown & ~visible).sum())
    return Drawing(name=name, figure=figure, alternative=_summary(study, hidden), points=words)


def _label_marks(figure: Figure, axes: Axes, study: Study, cost: str, *, narrow: bool) -> None:
    labels, score = [], study.score
    accuracy = score.shown(study.column("accuracy"))
    for mark in study.marks:
        trial = study.complete.loc[mark.row]
        numbers = "" if narrow else f"\n{score.text(trial['accuracy'])}, {counted(cost, study.column(cost)[mark.row])}"
        labels.append((study.column(cost)[mark.row], accuracy[mark.row], mark.short + numbers))
    avoid = [_occupied(axes, study, cost)]
    if math.isfinite(study.float_accuracy):
        across = np.geomspace(*axes.get_xlim(), 80) if axes.get_xscale() == "log" else np.linspace(*axes.get_xlim(), 80)
        avoid.append(np.column_stack([across, np.full(80, score.factor * study.float_accuracy)]))
    place_labels(figure, axes, labels, np.concatenate(avoid))


def _occupied(axes: Axes, study: Study, cost: str) -> Floats:
    """Points on all that is drawn, for labels to keep off: trials, the stairs and the whiskers, (points, 2)."""
    score = study.score
    accuracy = score.shown(study.column("accuracy"))
    dots = [np.column_stack([study.column(cost), accuracy])]
    for name in ("test_accuracy", "refit_accuracy"):
        dots.append(np.column_stack([study.column(cost), score.shown(study.column(name))]))
    if cost == "LUT":
        dots.append(np.column_stack([study.column("LUT_measured"), accuracy]))
    for line in axes.lines:
        xs, ys = (np.asarray(values, dtype=float) for values in line.get_data())
        if len(xs) == 2 and xs[0] == xs[1]:
            dots.append(np.column_stack([np.full(15, xs[0]), np.linspace(ys[0], ys[-1], 15)]))
        if line.get_drawstyle() == "steps-post":
            dots += [
                np.column_stack([np.linspace(a, b, 30), np.full(30, y)])
                for a, b, y in zip(xs, xs[1:], ys, strict=False)
            ]
            dots += [
                np.column_stack([np.full(30, x), np.linspace(a, b, 30)])
                for x, a, b in zip(xs[1:], ys, ys[1:], strict=False)
            ]
    found: Floats = np.concatenate(dots)
    return found[np.isfinite(found).all(axis=1)]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _summary(study: Study, hidden: int) -> str:
    front = study.front
    parts = [
        f"Validation {study.score.name} against {UNITS.get(study.cost or '', study.cost or 'cost')}: "
        f"{len(study.complete)} finished trials, {len(front)} of them on the front."
    ]
    for mark in study.marks:
        parts.append(f"{_sentence(', '.join(mark.names))}: {_words(study, mark.row)}.")
    if hidden:
        parts.append(f"{hidden} dominated trial{'s' * (hidden > 1)} outside the picture.")
    return " ".join(parts)


def resource_figures(study: Study, width: float = WIDE / 2) -> list[Drawing]:
    """A small figure, `width` inches wide, for every cost and speed that varies, other than the main one."""
    drawings, score = [], study.score
    accuracy = score.shown(study.column("accuracy"))
    for name in (name for name in study.costs if name not in (study.cost, "LUT_measured")):
        costs = study.column(name)
        shown = np.isfinite(costs) & np.isfinite(accuracy)
        if len(np.unique(costs[shown])) < 2:
            continue
        figure, axes = sheet(width, 0.71 * width)
        on_front = study.complete["on_front"].to_numpy(dtype=bool)
        low, high = score_axis(axes, accuracy[shown], accuracy[on_front], score)
        shown &= (accuracy >= low) & (accuracy <= high)
        cost_axis(axes, costs[shown], name)
        _budget(axes, study, name, label=False)
        behind, ahead = shown & ~on_front, shown & on_front
        axes.plot(costs[behind], accuracy[behind], "o", ms=2.8, color=MUTED, alpha=0.45, mew=0, zorder=1.5)
        useful = shown & study.complete["of_use"].to_numpy(dtype=bool)
        _stairs(axes, costs[useful], accuracy[useful], score.direction, "maximize" if name == "fps" else "minimize")
        points = {}
        for row in np.flatnonzero(ahead):
            axes.plot(
                costs[row], accuracy[row], "o", ms=4.5, color=ACCENT, mec=INK, mew=0.5, gid=f"point-{row}", zorder=4
            )
            points[str(row)] = (int(study.complete["number"][row]), f"{_words(study, int(row))}, {costs[row]:g} {name}")
        ends = f"from {short(costs[shown].min())} to {short(costs[shown].max())}"
        summary = f"Validation {score.name} against {UNITS.get(name, headed(name))}, {ends}."
        drawings.append(Drawing(name=f"by-{name}", figure=figure, alternative=summary, points=points))
    return drawings
