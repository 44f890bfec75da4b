"""Predicted against measured, and the error by width and shape: the pictures of the error page."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from hwcost.report.axes import short
from hwcost.report.style import ACCENT, FAINT, INK, MUTED, SERIES, Drawing, house_style, picture


def scatter_picture(table: pd.DataFrame, groups: dict[str, list[str]]) -> bytes:
    """Predicted against measured LUTs, one panel per title of `groups`.

    Args:
        table: group, LUT and LUT_measured.
        groups: title -> groups of the table.
    """
    with house_style():
        figure = Figure(figsize=(7.4, 2.7 * -(-len(groups) // 3)), layout="constrained")
        panels = np.atleast_1d(figure.subplots(-(-len(groups) // 3), 3)).ravel()
        for axes, (title, names) in zip(panels, groups.items(), strict=False):
            rows = table[table["group"].isin(names) & (table["LUT_measured"] >= 4)]
            ours, measured = (rows[name].to_numpy(dtype=float) for name in ("LUT", "LUT_measured"))
            ends = np.array([min(ours.min(), measured.min()) * 0.8, max(ours.max(), measured.max()) * 1.25])
            axes.fill_between(ends, ends * 0.9, ends * 1.1, color=FAINT, lw=0, label="±10%")
            axes.plot(ends, ends, color=MUTED, lw=0.7)
            for name, color in zip(names, SERIES, strict=False):
                one = rows[rows["group"] == name]
                label = " ".join(word for word in name.split() if word.capitalize() not in title and word != "unit")
                axes.scatter(one["LUT_measured"], one["LUT"], s=9, color=color, lw=0, alpha=0.75, label=label)
            axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured LUT", ylabel="predicted LUT")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(LogLocator(numticks=6))
                axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
                axis.set_minor_formatter(NullFormatter())
            error = np.abs(ours / measured - 1).mean()
            axes.set_title(f"{title}\n{len(rows)} units, MAPE {error:.1%}", fontsize=9)
            if len(names) > 1:
                axes.legend(frameon=False, fontsize=7, loc="upper left", handletextpad=0.1)
        for axes in panels[len(groups) :]:
            axes.set_visible(False)
        return picture(Drawing(name="scatter", figure=figure, alternative="predicted against measured LUTs"), "png")


def error_picture(columns: dict[str, tuple[list[float], list[float]]]) -> bytes:
    """Relative error of the matrix-vector units along several properties.

    Args:
        columns: name of the property -> (its value, predicted / measured - 1) of every unit.
    """
    with house_style():
        figure = Figure(figsize=(7.4, 2.5), layout="constrained")
        for axes, (name, (places, error)) in zip(
            figure.subplots(1, len(columns), sharey=True), columns.items(), strict=True
        ):
            axes.axhspan(-5, 5, color=FAINT, lw=0)
            axes.axhline(0, color=MUTED, lw=0.7)
            axes.scatter(places, [100 * one for one in error], s=9, color=ACCENT, lw=0, alpha=0.7)
            axes.set_xscale("log", base=2)
            axes.set_xticks([1, 2, 4, 8, 16, 32, 64][: 7 if max(places) > 16 else 5])
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_xlabel(name)
        figure.axes[0].set_ylabel("error, % (grey: ±5%)")
        return picture(Drawing(name="errors", figure=figure, alternative="error by width and shape"), "png")


def gradient_picture(rows: pd.DataFrame) -> bytes:
    """Savings of one bit less, estimated against a second synthesis; one colour per network.

    Args:
        rows: network, LUT and LUT_measured.
    """
    with house_style():
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes = figure.subplots()
        ends = np.array([-5.0, float(rows[["LUT", "LUT_measured"]].to_numpy().max()) * 1.3])
        axes.plot(ends, ends, color=MUTED, lw=0.7)
        for (name, one), color in zip(rows.groupby(rows["network"].str.split().str[0]), SERIES, strict=False):
            axes.scatter(one["LUT_measured"], one["LUT"], s=14, color=color, lw=0, alpha=0.8, label=str(name))
        axes.set_xscale("symlog", linthresh=10)
        axes.set_yscale("symlog", linthresh=10)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([0, 10, 100, 1000]))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.set(xlim=ends, ylim=ends, xlabel="LUTs saved by synthesis again", ylabel="LUTs saved by the estimate")
        axes.set_title("one bit less of weights or input, per layer", color=INK)
        axes.legend(frameon=False)
        return picture(Drawing(name="gradient", figure=figure, alternative="savings of a bit"), "png")
