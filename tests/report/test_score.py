"""Scores as they are: a study of which less is better mirrors one of which more is, and says its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.errors import BadStudy
from hwcost.report import read_study, write_comparison
from hwcost.report.axes import score_axis
from hwcost.report.comparison import attained, grouped, volumes
from hwcost.report.files import front_record, paper_figures
from hwcost.report.front_figures import front_figure
from hwcost.report.layer_figures import training_trial
from hwcost.report.page import facts, html, markdown
from hwcost.report.progress_figures import hypervolume_course
from hwcost.report.score import Score
from hwcost.report.study import Study
from hwcost.report.style import house_style, picture, sheet

SCALE = 50.0
ERROR = {
    "name": "placing error", "direction": "minimize", "unit": "mm",
    "tolerances": [0.005 * SCALE, 0.01 * SCALE, 0.02 * SCALE],
}  # fmt: skip


def _error(accuracy: Any) -> Any:
    return SCALE * (1 - accuracy)


def mirrored() -> Study:
    """The made-up study with an error in the place of its accuracy."""
    trials = made_up_trials()
    for name in ("accuracy", "test_accuracy"):
        trials[name] = _error(trials[name])
    trials["epochs"] = [
        [entry | {"accuracy": _error(entry["accuracy"])} for entry in row] if isinstance(row, list) else row
        for row in trials["epochs"]
    ]
    objectives = [{"name": "accuracy", "direction": "minimize"}, *made_up_run()["objectives"][1:]]
    float_scores = {name: _error(value) for name, value in made_up_run()["float"].items()}
    return read_study(trials, made_up_run(score=ERROR, objectives=objectives, float=float_scores))


def plain() -> Study:
    return read_study(made_up_trials(), made_up_run())


def test_less_is_better_chooses_what_more_is_better_chose() -> None:
    mine, theirs = mirrored(), plain()
    assert list(mine.front["number"]) == list(theirs.front["number"])
    assert [mark.row for mark in mine.marks] == [mark.row for mark in theirs.marks]
    assert training_trial(mine) == training_trial(theirs)
    np.testing.assert_allclose(hypervolume_course(mine), hypervolume_course(theirs))
    at = np.array([3e3, 8e3, 2e4])
    np.testing.assert_allclose(attained(mine, at, "LUT"), _error(attained(theirs, at, "LUT")))
    assert volumes(grouped({"a": mine}))[id(mine)] == pytest.approx(volumes(grouped({"a": theirs}))[id(theirs)])


@pytest.mark.parametrize("tolerances", [(0.5,), (0.2, 0.5), (0.1, 0.2, 0.5, 1.0)])
def test_a_task_names_as_many_tolerances_as_it_likes(tolerances: tuple[float, ...]) -> None:
    study = read_study(
        made_up_trials(), made_up_run(score={"name": "placing error", "unit": "mm", "tolerances": tolerances})
    )
    assert facts(study)["within"] == "0.5 mm"  # the one in the middle stands in the filter


def test_an_error_may_exceed_100_percent() -> None:
    trials = made_up_trials()
    trials["accuracy"] = 1.5 * trials["accuracy"]
    score = {"name": "relative error", "unit": "%", "direction": "minimize"}
    study = read_study(trials, made_up_run(score=score))
    assert study.score.text(1.3) == "130.00 %" and not study.binomial
    with pytest.raises(BadStudy, match="ratios in"):
        read_study(trials, made_up_run())


def test_no_page_says_accuracy_of_a_score_that_is_none(tmp_path: Path) -> None:
    study = mirrored()
    with house_style():
        page, report = html(study), markdown(study, front_figure(study))
        drawings = [picture(one, "svg").decode() for one in paper_figures(study)]
    write_comparison(tmp_path, {"a": study})
    compared = (tmp_path / "index.html").read_text() + (tmp_path / "comparison.md").read_text()
    shown = page[: page.index("<script")]  # keys of the data, and scripts, are no text of the page
    assert len(drawings) > 5 and "accura" not in "".join(drawings).lower()
    for text in (shown, report, compared):
        assert "accura" not in text.lower()
        assert "placing error" in text and ", mm" in text
    for said in ("A smaller placing error is better.", "within 0.5 mm", "above float", "minimize placing error"):
        assert said in page
    assert front_record(study)["score"] == {name: ERROR[name] for name in ("name", "direction", "unit")}


def test_scores_of_other_kinds_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="differ in score: maximize accuracy, % and minimize placing error, mm"):
        write_comparison(tmp_path, {"a": plain(), "b": mirrored()})


@pytest.mark.parametrize(
    ("score", "value", "text", "within"),
    [
        (Score(), 0.97216, "97.22 %", ["0.5 points", "1 point", "2 points"]),
        (Score(name="IoU", unit=""), 0.8, "0.8", ["1 %", "2 %", "5 %"]),
        (Score(unit="dB", format=".1f"), 31.26, "31.3 dB", ["1 %", "2 %", "5 %"]),
        (Score(unit="ms", direction="minimize", tolerances=(3.0,)), 1234.5, "1234 ms", ["3 ms"]),
        (Score(), float("nan"), "– %", ["0.5 points", "1 point", "2 points"]),
    ],
)
def test_a_score_in_its_own_terms(score: Score, value: float, text: str, within: list[str]) -> None:
    assert score.text(value) == text
    assert [words for _, words in score.losses(0.9)] == within
    if score.unit == "":
        assert [loss for loss, _ in score.losses(-0.8)] == pytest.approx([0.008, 0.016, 0.04])


def test_studies_of_before_are_read_as_percent() -> None:
    assert Score.of(None) == Score() and Score.of("area under ROC") == Score(name="area under ROC")


@pytest.mark.parametrize("record", [3, {"name": 3}, {"direction": "up"}, {"colour": "red"}, {"format": "wide"}, ["a"]])
def test_a_garbled_score_is_one_line(record: Any) -> None:
    with pytest.raises(BadStudy, match="score"):
        read_study(made_up_trials(3), made_up_run(score=record))


@pytest.mark.parametrize("values", [[-3.0, 5.0], [7.0], [float("nan")], [0.0, 0.0]])
def test_an_axis_holds_every_score(values: list[float]) -> None:
    _, axes = sheet(3.0, 2.0)
    low, high = score_axis(axes, values, [], Score(unit="dB", direction="minimize"))
    assert all(low < value < high for value in values if value == value)
    assert axes.get_ylabel() == "validation accuracy, dB (smaller is better)"


def test_percent_outside_of_its_range_is_refused() -> None:
    for wrong in (made_up_run(float={"validation": 1.2}), made_up_run(float={"test": -0.1})):
        with pytest.raises(BadStudy, match="scores in percent are ratios"):
            read_study(made_up_trials(3), wrong)


def test_a_test_on_validation_samples_is_told() -> None:
    data = made_up_run()["data"] | {"validation_is_test": True}
    study = read_study(made_up_trials(4), made_up_run(data=data))
    with house_style():
        assert "the test score is no independent one" in markdown(study, front_figure(study))
