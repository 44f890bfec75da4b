"""Parallel coordinates: lines where the numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import read_study
from hwcost.report.parallel_figure import parallel_figure
from hwcost.report.style import house_style


def lines_of(figure: Any) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    return {
        line.get_gid(): np.asarray(line.get_ydata(), dtype=float) for line in figure.axes[0].lines if line.get_gid()
    }


def test_parallel_coordinates_are_where_the_numbers_are() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = parallel_figure(study)
    assert drawing is not None
    names = [label.get_text() for label in drawing.figure.axes[0].get_xticklabels()]
    assert names == ["budget (log)", "LUT (log)", "FF (log)", "BRAM18 (log)", "cycles (log)", "validation accuracy, %"]
    found = lines_of(drawing.figure)
    assert found.keys() == {f"point-{row}" for row in study.front.index} == {f"point-{key}" for key in drawing.points}
    budgets = np.array([params["budget"] for params in study.complete["params"]])
    luts, accuracy = study.column("LUT"), study.column("accuracy")
    for row in study.front.index:
        heights = found[f"point-{row}"]
        assert heights[0] == pytest.approx(np.log(budgets[row] / budgets.min()) / np.log(budgets.max() / budgets.min()))
        assert heights[1] == pytest.approx(np.log(luts[row] / luts.min()) / np.log(luts.max() / luts.min()))
        assert heights[-1] == pytest.approx((accuracy[row] - accuracy.min()) / np.ptp(accuracy))
    assert len(drawing.figure.axes[0].lines) == len(study.complete) + len(names)


def test_parallel_coordinates_of_choices_and_of_too_many_parameters() -> None:
    trials = made_up_trials()
    accuracy = trials["accuracy"].fillna(0.0)
    trials["params"] = [
        {"kind": ("ternary", "binary")[at % 2], "same": 4} | {f"noise{n:02}": (at * 7 + n) % 5 for n in range(12)}
        | {"telling": rate} for at, rate in enumerate(accuracy)
    ]  # fmt: skip
    trials.loc[3, "params"].pop("kind")
    study = read_study(trials, made_up_run())
    with house_style():
        drawing = parallel_figure(study)
    assert drawing is not None
    names = [label.get_text() for label in drawing.figure.axes[0].get_xticklabels()]
    assert len(names) == 10 + 5 and "telling" in names and "same" not in names
    trials["params"] = [{"kind": params.get("kind")} for params in trials["params"]]
    study = read_study(trials, made_up_run())
    with house_style():
        drawing = parallel_figure(study)
    assert drawing is not None
    found = lines_of(drawing.figure)
    for row in study.front.index:
        kind = study.complete["params"][row]["kind"]
        assert np.array_equal(
            found[f"point-{row}"][0], {"binary": 0.0, "ternary": 1.0}.get(kind, np.nan), equal_nan=True
        )
    with house_style():
        assert parallel_figure(read_study(made_up_trials(1), made_up_run())) is None
