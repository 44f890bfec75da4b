"""Whole networks, priced against built or routed: the pictures of their pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hwcost.report.style import FAINT, INK, MUTED, SERIES, Drawing, house_style, picture


def error_picture(rows: pd.DataFrame, columns: dict[str, tuple[str, str]], band: float) -> bytes:
    """Error of every network as a dot, a panel for each amount, a colour for each setting.

    Args:
        rows: network, setting, and the columns named.
        columns: title of a panel -> column of the price, column of the measurement.
        band: share that is shaded on both sides of 0.
    """
    networks = list(dict.fromkeys(rows["network"]))[::-1]
    settings = list(dict.fromkeys(rows["setting"]))
    with house_style():
        figure = Figure(figsize=(1.2 + 3.0 * len(columns), 1.1 + 0.3 * len(networks)), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(columns), sharey=True))
        for axes, (title, (ours, measured)) in zip(panels, columns.items(), strict=True):
            known = rows[rows[ours].notna() & rows[measured].notna() & (rows[measured] > 0)]
            errors = 100 * (known[ours] / known[measured] - 1)
            axes.axvspan(-100 * band, 100 * band, color=FAINT, lw=0)
            axes.axvline(0, color=MUTED, lw=0.7)
            for setting, color, shift in zip(settings, SERIES, _shifts(len(settings)), strict=False):
                mine = known["setting"] == setting
                places = [networks.index(name) + shift for name in known["network"][mine]]
                axes.scatter(errors[mine], places, s=22, color=color, lw=0, label=setting)
            most = max(1.25 * 100 * band, 1.1 * float(errors.abs().max()))
            axes.set(xlim=(-most, most), xlabel=f"priced / measured {title} - 1, %")
            axes.set_yticks(range(len(networks)), networks, color=INK)
            axes.set_title(
                f"{title}: median error {errors.abs().median():.1f}%, worst {errors.abs().max():.1f}%", fontsize=9
            )
        panels[0].legend(frameon=False, fontsize=8, ncols=len(settings), loc="lower left", bbox_to_anchor=(0, 1.12))
        return picture(Drawing(name="errors", figure=figure, alternative="errors of whole networks"), "png")


def _shifts(count: int) -> Sequence[float]:
    return [0.2 * (place - (count - 1) / 2) for place in range(count)]
