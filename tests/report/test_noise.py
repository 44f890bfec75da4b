"""Noise of shares of samples, by brute force: intervals cover, and what chance explains is marked."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials
from matplotlib.figure import Figure
from scipy.stats import norm

from hwcost.report import read_study
from hwcost.report.noise import by_chance, front_noise, intervals
from hwcost.report.page import html, markdown
from hwcost.report.style import Drawing


@pytest.mark.parametrize("true", [0.5, 0.9, 0.98])
def test_intervals_cover_the_true_share(true: float) -> None:
    counted = np.random.default_rng(0).binomial(359, true, 4000) / 359
    ends = intervals(counted, 359)
    assert 0.93 < np.mean([low <= true <= high for low, high in ends]) < 0.975
    assert intervals(np.array([1.0]), 10)[0][0] < 0.75  # ten of ten are no certainty


def test_of_equal_networks_chance_is_said_to_explain_the_better_one() -> None:
    rng = np.random.default_rng(1)
    said = [by_chance(rng.binomial(400, 0.9, 2) / 400, 400, np.array([[1.0], [2.0]])) for _ in range(2000)]
    assert not any(first for first, _ in said)  # nothing is cheaper than the cheapest
    assert np.mean([second for _, second in said]) == pytest.approx(0.95, abs=0.02)


def test_a_difference_is_judged_as_two_proportions_are() -> None:
    for gain in np.linspace(0.0, 0.08, 17):
        share = np.array([0.9, 0.9 + gain])
        pooled = share.mean()
        p = norm.sf(gain / np.sqrt(2 * pooled * (1 - pooled) / 500))
        assert by_chance(share, 500, np.array([[1.0], [2.0]])) == [False, bool(p > 0.05)]


def test_cheaper_is_no_dearer_in_any_cost() -> None:
    shares = np.array([0.9, 0.9, 0.91])
    costs = np.array([[1.0, 5.0], [5.0, 1.0], [5.0, 3.0]])
    assert by_chance(shares, 100, costs) == [False, False, True]  # the second is cheaper than the third
    assert by_chance(shares, 100, np.array([[1.0, 5.0], [1.0, 5.0], [0.0, 9.0]])) == [False, False, False]
    assert by_chance(np.array([1.0, 1.0]), 100, np.array([[1.0], [2.0]])) == [False, True]


def test_the_page_shows_intervals_and_marks() -> None:
    study = read_study(made_up_trials(), made_up_run())
    noise = front_noise(study)
    assert noise is not None and noise.split == "test" and noise.chance
    front = study.front.set_index("number")["test_accuracy"]
    number = int(front.index[-1])
    low, high = noise.intervals[number]
    assert low < front[number] < high
    text, written = html(study), markdown(study, Drawing(name="pareto", figure=Figure(), alternative="picture"))
    assert "95 % interval of the 360 test samples" in text
    assert f"({100 * low:.1f} to {100 * high:.1f})" in written and "chance alone would explain its place" in written
    marked = [line.split()[1] for line in written.splitlines() if line[:2] == "| " and "≈" in line]
    assert {int(number) for number in marked if number.isdigit()} == noise.chance


def test_what_is_not_known_is_not_shown() -> None:
    untested = made_up_trials()
    untested["test_accuracy"] = np.nan
    noise = front_noise(read_study(untested, made_up_run()))
    assert noise is not None and noise.split == "validation" and not noise.intervals
    error = made_up_run(score={"name": "error", "direction": "minimize", "unit": "mm"})
    error["objectives"][0]["direction"] = "minimize"
    assert front_noise(read_study(made_up_trials(), error)) is None
    nothing = made_up_run()
    nothing["data"] = {"name": "digits", "fingerprint": "9f2c"}
    assert front_noise(read_study(made_up_trials(), nothing)) is None
