"""The figures of the front: every point where it is, labels apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from hwcost.report import read_study
from hwcost.report.files import paper_figures
from hwcost.report.front_figures import _intervals, front_figure, resource_figures
from hwcost.report.style import Drawing, house_style, inline_svg, picture


def overlapping(drawing: Drawing) -> list[str]:
    """Words of a figure that lie on other words."""
    canvas = FigureCanvasAgg(drawing.figure)
    canvas.draw()
    texts = drawing.figure.axes[0].texts
    boxes = [Text.get_window_extent(text, canvas.get_renderer()) for text in texts]  # without their leaders
    return [t.get_text() for i, t in enumerate(texts) if any(boxes[i].overlaps(other) for other in boxes[:i])]


@pytest.mark.slow
def test_no_label_lies_on_another_where_points_are_many() -> None:
    study = read_study(made_up_trials(1500), made_up_run())
    with house_style():
        assert not overlapping(front_figure(study, height=5.0))


@pytest.mark.slow
def test_the_main_figure_shows_every_point_where_it_is() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = front_figure(study)
        axes = drawing.figure.axes[0]
        filled = {line.get_gid(): line for line in axes.lines if line.get_gid()}
        assert len(filled) == len(study.front) == len(drawing.points)
        for row, trial in study.front.iterrows():
            x, y = filled[f"point-{row}"].get_data()
            assert (float(x[0]), float(y[0])) == (trial["LUT"], 100 * trial["accuracy"])
            assert axes.get_xlim()[0] <= x[0] <= axes.get_xlim()[1]
            assert axes.get_ylim()[0] <= y[0] <= axes.get_ylim()[1]
            assert str(trial["number"]) in inline_svg(drawing)
        assert len(axes.texts) == len(study.marks) + 2  # and the float line and the part
        assert not overlapping(drawing)
        assert "best accuracy" in inline_svg(drawing), "names are text, that can be searched"


@pytest.mark.parametrize("score", [0.9, 0.985])
def test_the_name_of_the_float_line_hides_no_point(score: float) -> None:
    rows = [trial(at, accuracy=[0.9, 0.95, 0.985][at], LUT=[100, 110, 900][at]) for at in range(3)]
    with house_style():
        figure = front_figure(read_study(pd.DataFrame(rows), made_up_run(float={"validation": score}))).figure
        axes, canvas = figure.axes[0], FigureCanvasAgg(figure)
        canvas.draw()
        name = next(text for text in axes.texts if text.get_text().startswith("float"))
        box = name.get_window_extent(canvas.get_renderer())
        points = axes.transData.transform([(row["LUT"], 100 * row["accuracy"]) for row in rows])
    assert not [point for point in points if box.contains(*point)]


def test_where_no_score_is_of_use_no_steps_are_drawn() -> None:
    objectives = [{"name": "accuracy", "direction": "maximize", "worst": 0.96}, *made_up_run()["objectives"][1:]]
    rows = [trial(0, accuracy=0.9, LUT=100), trial(1, accuracy=0.97, LUT=200)]
    for some, steps in ((rows[:1], 0), (rows, 1)):
        with house_style():
            figure = front_figure(read_study(pd.DataFrame(some), made_up_run(objectives=objectives))).figure
        stairs = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
        assert len(stairs) == steps and all(line.get_xdata()[0] == 200 for line in stairs)
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        assert ("front, validation" in words) == bool(steps)


def test_one_small_figure_for_each_resource_that_varies() -> None:
    with house_style():
        names = [drawing.name for drawing in resource_figures(read_study(made_up_trials(), made_up_run()))]
    assert names == ["by-FF", "by-BRAM18", "by-cycles"]


def trial(number: float, **values: Any) -> dict[str, Any]:
    return {"number": number, "state": "COMPLETE", "accuracy": 0.9, "LUT": 100.0, "BRAM18": 3.0} | values


def texts(figure: Figure) -> list[Text]:
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [text for text in found if isinstance(text, Text)]


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.5, 7.0])
def test_figures_of_a_paper_have_its_width_and_text_of_eight_points(width: float) -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawings = paper_figures(study, width)
        assert len(drawings) > 7
        for drawing in drawings:
            assert drawing.figure.get_figwidth() == width
            assert {text.get_fontsize() for text in texts(drawing.figure)} == {8.0}, drawing.name
            svg = picture(drawing, "svg").decode()
            assert f'width="{72 * width:g}pt"' in svg
        again = [picture(one, "pdf") for one in (front_figure(study, width=width), front_figure(study, width=width))]
        assert again[0] == again[1]
    for drawing in drawings[:2]:
        assert drawing.figure.axes[0].get_ylabel().startswith("validation accuracy, %")


def test_the_interval_is_the_set_of_shares_that_the_samples_do_not_contradict() -> None:
    """Wilson's interval: the shares p for which the observed one lies within 1.96 standard deviations of p."""
    samples = 360
    study = read_study(made_up_trials(3), made_up_run())
    for observed in (0.3, 0.97, 1.0):
        ((low, high),) = _intervals(study, np.array([observed]))
        shares = np.linspace(0, 1, 200_001)[1:-1]
        kept = shares[abs(observed - shares) <= 1.96 * np.sqrt(shares * (1 - shares) / samples)]
        assert (low, high) == pytest.approx((kept.min(), kept.max()), abs=2e-5)
    assert _intervals(read_study(made_up_trials(3), made_up_run(score="IoU")), np.array([0.9])) == []
