"""Axes for scores and costs, and labels that do not overlap."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

from hwcost.report.pareto import Floats
from hwcost.report.score import Score
from hwcost.report.style import FAINT, INK, MUTED, PAPER

BEHIND = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
"""Paper behind a name, which stays legible where it cannot keep off a line; in an SVG it remains text."""

UNITS = {
    "LUT": "LUTs", "FF": "flip-flops", "DSP": "DSP blocks", "BRAM18": "18 Kb block RAMs", "URAM": "UltraRAMs",
    "LUTRAM": "LUTs that are RAM or shift registers",
    "cycles": "interval between two inferences, cycles",
}  # fmt: skip

TITLES = {
    "LUT_measured": ("LUT synthesized", ""), "cycles": ("interval", "cycles"), "latency_cycles": ("latency", "cycles"),
    "latency_us": ("latency", "us"), "fps": ("frames/s", ""), "energy_uj": ("energy, rough", "uJ"),
}  # fmt: skip
"""Title and unit of a quantity that is not shown by its key."""


def headed(name: str) -> str:
    """The heading of a column: its title, and its unit where it has one."""
    title, unit = TITLES.get(name, (name, ""))
    return f"{title}, {unit}" if unit else title


def shown(name: str, value: float) -> float:
    """The value of a quantity as it is shown: a frame rate of thousands rounded down, so that the design reaches it.

    >>> shown("fps", 4166666.7), shown("fps", 0.25), shown("LUT", 1.5)
    (4166666.0, 0.25, 1.5)
    """
    return float(math.floor(value)) if name == "fps" and 1000 <= value < math.inf else value


def counted(name: str, value: float) -> str:
    """An amount with its name, or with its unit.

    >>> counted("LUT", 12500.0), counted("latency_us", 2.4512), counted("cycles", 192.0)
    ('12,500 LUT', '2.451 us', '192 cycles')
    """
    unit = TITLES.get(name, ("", ""))[1]
    digits = f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.4g}"
    return f"{digits} {unit or name}"


# An error axis instead of an accuracy axis: where the worst front point errs this many times more than the best, a
# linear axis would squeeze together the points between which a designer has to choose.
_ERROR_RATIO = 8.0
_ACCURACIES = (0, 20, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8, 99.9, 100)


def short(value: float) -> str:
    """Count in at most five characters.

    >>> short(950), short(1250), short(20000), short(3.5)
    ('950', '1.25k', '20k', '3.5')
    """
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1e3 else f"{value:.4g}"


def score_axis(
    axes: Axes,
    values: Sequence[float] | Floats,
    focus: Sequence[float] | Floats,
    score: Score,
    split: str = "validation",
) -> tuple[float, float]:
    """Set the y axis for a score; one in percent of which more is better gets an `accuracy_axis`.

    Args:
        axes: to set.
        values: all scores as shown, some finite.
        focus: those that must be in view.
        score: how to read them.
        split: data that the scores are of, for the label.

    Returns:
        The ends of the axis.
    """
    if score.unit == "%" and score.direction == "maximize":
        accuracy_axis(axes, values, focus)
    else:
        known = next((k for one in (focus, values) if len(k := _finite(one))), np.zeros(1))
        low, high = float(known.min()), float(known.max())
        span = high - low or abs(high) or 1.0
        axes.set_ylim(low - 0.08 * span, high + 0.1 * span)
    better = "" if score.direction == "maximize" else " (smaller is better)"
    logarithmic = "\n(log error scale)" if axes.get_yscale() == "function" else ""
    axes.set_ylabel(f"{split} {score.heading()}{better}{logarithmic}".strip())
    axes.grid(color=FAINT, lw=0.4, zorder=0)
    axes.set_axisbelow(True)
    low, high = axes.get_ylim()
    return float(low), float(high)


def _finite(values: Sequence[float] | Floats) -> Floats:
    known: Floats = np.asarray(values, dtype=float)
    finite: Floats = known[np.isfinite(known)]
    return finite


def accuracy_axis(axes: Axes, values: Sequence[float] | Floats, focus: Sequence[float] | Floats) -> float:
    """Set the y axis for accuracies in percent."""
    wanted = _finite(focus) if len(_finite(focus)) else _finite(values)
    low, high = float(wanted.min()), float(wanted.max())
    floor = max(100 - high, 0.1) / 2
    if (100 - low) / (2 * floor) > _ERROR_RATIO:

        def height(percent: Floats) -> Floats:
            return -np.log10(np.maximum(100 - percent + floor, floor / 10))

        def percent(height: Floats) -> Floats:
            return 100 + floor - np.power(10.0, -np.asarray(height))

        axes.set_yscale("function", functions=(height, percent))
        bottom, top = height(np.array([low, high]))
        ends = percent(np.array([bottom - 0.07 * (top - bottom), top + 0.1 * (top - bottom)]))
        ticks = [t for t in _ACCURACIES if ends[0] <= t <= min(ends[1], 100)]
        kept: list[float] = []
        for tick in reversed(ticks):  # from the top, where the choice is; at least 1/14 of the axis apart
            position = float(height(np.array(tick)))
            if not kept or float(height(np.array(kept[-1]))) - position > (top - bottom) / 14:
                kept.append(tick)
        axes.yaxis.set_major_locator(FixedLocator(kept))
    else:
        span = max(high - low, 0.5)
        ends = np.array([low - 0.08 * span, high + 0.1 * span])
        axes.set_ylim(*ends)
        percent_ticks(axes, 6)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(float(ends[0]), float(ends[1]))
    return float(ends[0])


def percent_ticks(axes: Axes, most: int) -> None:
    """Set round ticks on the y axis, none above 100, where the axis continues only to draw a point at 100 whole."""
    low, high = axes.get_ylim()
    ticks = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= min(high, 100.0)]))


def cost_axis(axes: Axes, values: Sequence[float] | Floats, name: str) -> None:
    """Set the x axis for a cost: logarithmic where all values are above 0 and span more than 3x."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    low, high = float(known.min()), float(known.max())
    if low > 0 and high / low > 3:
        axes.set_xscale("log")
        margin = (high / low) ** 0.06
        axes.set_xlim(low / margin, high * margin)
        subs = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        if high / low < 6:
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        span = max(abs(high), 1.0) if high == low else high - low  # a constant cost sits in the middle
        margin = 0.5 if high == low else 0.08
        axes.set_xlim(low - margin * span, high + margin * span)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=high - low >= 3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel(UNITS.get(name, headed(name)))


def name_line(figure: Figure, axes: Axes, y: float, words: str, avoid: Floats) -> None:
    """Write the name of a line across, above or below it and at one of its ends, where it hides the fewest points.

    Args:
        figure, axes: to draw into; axis limits must be final.
        y: height of the line, in data units.
        words: its name.
        avoid: (points, 2) in data units.
    """
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call] # matplotlib leaves it untyped
    dots = axes.transData.transform(avoid) if len(avoid) else np.empty((0, 2))
    tried: list[tuple[int, int, Annotation]] = []
    for x, side in ((0.005, "left"), (0.995, "right")):
        for above in (True, False):
            text = axes.annotate(words, (x, y), (0, 3 if above else -3), color=INK, ha=side, textcoords="offset points",
                                 va="bottom" if above else "top", xycoords=axes.get_yaxis_transform(),
                                 bbox=BEHIND)  # fmt: skip
            box, margin = text.get_window_extent(renderer), 5 * figure.dpi / 72
            inside = (dots >= np.array(box.min) - margin) & (dots <= np.array(box.max) + margin)
            tried.append((int(inside.all(axis=1).sum()), len(tried), text))
            text.remove()
    axes.add_artist(min(tried)[2])


def place_labels(figure: Figure, axes: Axes, labels: Sequence[tuple[float, float, str]], avoid: Floats) -> None:
    """Write a label near each point where it hides neither another label nor a point, with a thin leader.

    Args:
        figure, axes: to draw into; axis limits must be final.
        labels: (x, y, text) in data units.
        avoid: (points, 2) in data units.
    """
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call] # matplotlib leaves it untyped
    frame = axes.get_window_extent(renderer)
    dots = axes.transData.transform(avoid) if len(avoid) else np.empty((0, 2))
    unit = figure.dpi / 72
    taken: list[Bbox] = [text.get_window_extent(renderer) for text in axes.texts]
    angles = np.deg2rad([135, 115, 155, 90, 180, 315, 335, 295, 0, 45, 270, 225])
    for x, y, words in labels:
        text = axes.annotate(
            words, (x, y), (0, 0), textcoords="offset points", color=INK, ha="center", va="center",
            zorder=6, arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": 4},
            annotation_clip=False, linespacing=1.25, bbox=BEHIND,
        )  # fmt: skip
        size = text.get_window_extent(renderer)
        half_width, half_height = size.width / 2 + 2 * unit, size.height / 2 + 1.5 * unit
        here = axes.transData.transform((x, y))
        best: tuple[float, Bbox, tuple[float, float]] | None = None
        for distance in (14, 24, 36, 50, 68, 90, 115):
            for turn, angle in enumerate(angles):
                shift_x = math.cos(angle) * (distance * unit + half_width)
                shift_y = math.sin(angle) * (distance * unit + half_height)
                center_x, center_y = here[0] + shift_x, here[1] + shift_y
                box = Bbox.from_extents(
                    center_x - half_width, center_y - half_height, center_x + half_width, center_y + half_height
                )
                low, high = np.array(box.min) - 3 * unit, np.array(box.max) + 3 * unit
                hidden = ((dots >= low) & (dots <= high)).all(axis=1).sum()
                outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
                unreadable = sum(box.overlaps(other) for other in taken)  # worse than any number of hidden points
                badness = 40.0 * hidden + 1e6 * unreadable + 1e5 * outside
                badness += distance / 10 + turn / 4
                if best is None or badness < best[0]:
                    best = (badness, box, (shift_x / unit, shift_y / unit))
        assert best is not None
        taken.append(best[1])
        text.set_position(best[2])
    figure.set_layout_engine("none")  # the labels were measured in this layout
