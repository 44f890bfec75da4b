"""Axes: round ticks, and points that are drawn whole."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from made_up_study import made_up_run
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hwcost.report import read_study
from hwcost.report.front_figures import front_figure, resource_figures
from hwcost.report.layer_figures import training_figure
from hwcost.report.progress_figures import progress_figure
from hwcost.report.style import house_style


@pytest.mark.parametrize("least", [0.5, 0.9])
def test_a_point_without_an_error_is_drawn_whole(least: float) -> None:
    trials = pd.DataFrame([trial(n, accuracy=a, LUT=500.0 * (n + 1)) for n, a in enumerate((least, 0.95, 1.0))])
    study = read_study(trials, made_up_run(float={"validation": 1.0, "test": 1.0}))
    with house_style():
        for drawing in (front_figure(study), *resource_figures(study)):
            FigureCanvasAgg(drawing.figure).draw()
            axes = drawing.figure.axes[0]
            above = axes.transData.transform((0, axes.get_ylim()[1]))[1] - axes.transData.transform((0, 100))[1]
            assert above >= 4.5 * drawing.figure.dpi / 72  # half a marker and its edge
            assert max(axes.get_yticks()) <= 100


def test_ticks_are_whole_epochs_bits_and_trials_and_no_accuracy_above_100() -> None:
    epochs = [{"epoch": e, "accuracy": 1.0, "widths": {"a.weight": 7.0}} for e in (1, 2)]
    trials = pd.DataFrame([trial(n, accuracy=1 - n / 9, LUT=9.0 - n, epochs=epochs) for n in range(2)])
    study = read_study(trials, made_up_run())
    with house_style():
        training = training_figure(study)
        assert training is not None
        progress = progress_figure(study)
        assert progress is not None
        for figure in (training.figure, progress.figure):
            FigureCanvasAgg(figure).draw()
        whole = [*training.figure.axes[1].get_xticks(), *training.figure.axes[1].get_yticks()]
        whole += list(progress.figure.axes[0].get_xticks())
        assert whole == [round(tick) for tick in whole]
        assert max(training.figure.axes[0].get_yticks()) <= 100


def trial(number: float, **values: Any) -> dict[str, Any]:
    return {"number": number, "state": "COMPLETE", "accuracy": 0.9, "LUT": 100.0, "BRAM18": 3.0} | values
