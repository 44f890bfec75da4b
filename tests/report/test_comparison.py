"""Several studies on one page: what is one method, what may be compared, and the figures by brute force."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials
from optuna._hypervolume import compute_hypervolume

from hwcost.errors import BadStudy
from hwcost.report import Study, read_study, write_comparison
from hwcost.report.comparison import _figure, attained, grouped, volumes
from hwcost.report.style import house_style


def study(seed: int = 0, count: int = 30, **changes: Any) -> Study:
    return read_study(made_up_trials(count, seed), made_up_run(seed=seed, **changes))


def test_studies_that_differ_in_their_seeds_are_one_method() -> None:
    studies = {"a0": study(0), "a1": study(1), "b0": study(0, sampler="greybox", bits=[2, 8], warm=4)}
    methods = grouped(studies)
    assert [(method.name, len(method.studies)) for method in methods] == [
        ("TPESampler", 2),
        ("greybox, widths 2:8, warm 4", 1),
    ]
    assert [method.name for method in grouped({"a0": study(0), "a1": study(1)})] == ["digits"]


def test_a_ramp_makes_another_method() -> None:
    studies = {"plain": study(0), "ramp": study(0, ramp=40), "again": study(1, ramp=40)}
    methods = grouped(studies)
    assert [(method.name, len(method.studies)) for method in methods] == [("digits", 1), ("ramp 40", 2)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"name": "other", "fingerprint": "1", "train": 1}}, "data"),
        ({"device": {"name": "xc7z020", "LUT": 53200, "clock_mhz": 100.0}}, "part: xc7z010 and xc7z020"),
        ({"target_fps": 5}, "frame rate: 10000 and 5"),
        ({"hwcost": "9"}, "version of the cost models"),
    ],
)
def test_other_data_or_prices_are_refused_without_force(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    studies = {"one": study(0), "two": study(1, **changes)}
    with pytest.raises(BadStudy, match=f"one and two differ in {words}.*--force"):
        write_comparison(tmp_path / "page", studies)
    assert not (tmp_path / "page").exists()
    page = write_comparison(tmp_path / "page", studies, force=True)
    assert "Not alike" in page.read_text() and "**Not alike:**" in (page.parent / "comparison.md").read_text()


def test_the_head_names_every_study_and_part(tmp_path: Path) -> None:
    other = {"device": {"name": "xc7z020", "LUT": 53200, "clock_mhz": 100.0}, "study": "letters"}
    page = write_comparison(tmp_path, {"a": study(0), "b": study(1, **other), "c": study(2)}, force=True).read_text()
    assert "<h1>digits on a small part, letters</h1>" in page
    assert "priced for the xc7z010, xc7z020." in page
    assert "Hypervolume of the front in accuracy, LUT and BRAM18, each scaled from 0" in page


def test_attainment_by_brute_force() -> None:
    studies = {str(seed): study(seed) for seed in range(3)}
    at = np.geomspace(500, 40_000, 25)
    points = {
        name: [(row["test_accuracy"], row["LUT"]) for _, row in one.front.iterrows()] for name, one in studies.items()
    }
    for name, one in studies.items():
        for cost, reached in zip(at, attained(one, at, "LUT"), strict=True):
            below = [accuracy for accuracy, lut in points[name] if lut <= cost]
            assert reached == max(below) if below else np.isnan(reached)


def test_hypervolumes_are_on_the_scale_of_all_finished_trials() -> None:
    studies = {str(seed): study(seed) for seed in range(3)}
    found = volumes(grouped(studies))
    finished = pd.concat([one.complete for one in studies.values()])
    ends = {name: (finished[name].min(), finished[name].max()) for name in ("accuracy", "LUT", "BRAM18")}
    for one in studies.values():
        losses = [(ends["accuracy"][1] - one.front["test_accuracy"]) / np.ptp(ends["accuracy"])]
        for name in ("LUT", "BRAM18"):
            low, high = np.log1p(ends[name])
            losses.append((np.log1p(one.front[name]) - low) / (high - low))
        counted = np.column_stack(losses)
        counted = counted[(counted <= 1).all(axis=1)]  # a test score may be below every validation score
        assert found[id(one)] == pytest.approx(compute_hypervolume(counted, np.ones(3)), abs=1e-12)


def test_the_page_needs_nothing_else_and_names_all(tmp_path: Path) -> None:
    others = tmp_path / "others.csv"
    others.write_text("name,accuracy,LUT\nJones & Co <2024>,97.5,8000\n")
    studies = {f"run{seed}": study(seed) for seed in range(3)} | {"wide": study(5, sampler="greybox")}
    page = write_comparison(tmp_path / "page", studies, others)
    text = page.read_text()
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "Jones &amp; Co &lt;2024&gt;" in text and "<2024>" not in text
    for name in ("run0", "run2", "wide", "TPESampler", "greybox"):
        assert name in text
    svg = ET.fromstring(re.search(r"<svg.*?</svg>", text, re.DOTALL)[0])  # type: ignore[index] # fails where there is none
    assert svg.get("aria-label", "").startswith("Median front of TPESampler, greybox")
    assert "greybox" in text[text.index("may be chance") :] and "too few" in text  # one seed of it
    for link in re.findall(r'href="(?!data:|#)([^"]+)"', text):
        assert (page.parent / link).is_file()
    table = pd.read_csv(page.parent / "comparison.csv")
    assert set(table["study"]) == set(studies)
    for name, one in studies.items():
        assert sorted(table[table["study"] == name]["number"]) == sorted(one.front["number"])


def test_nothing_to_compare(tmp_path: Path) -> None:
    running = made_up_trials(2).assign(state="RUNNING", accuracy=np.nan, LUT=np.nan, BRAM18=np.nan)
    empty = read_study(running, made_up_run())
    with pytest.raises(BadStudy, match="finished trials of one cost"):
        write_comparison(tmp_path, {"full": study(), "empty": empty})


def test_pairs_share_seed_and_data(tmp_path: Path) -> None:
    studies = {f"{sampler}{seed}": study(seed, sampler=sampler) for seed in range(3) for sampler in ("tpe", "nsga2")}
    text = write_comparison(tmp_path, studies).read_text()
    assert text.count("paired by seed and data") == 2 and "least possible 0.25" in text
    figures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(figures) == 2
    with house_style():
        (axes,) = _figure(grouped(studies), [], "LUT", 7.0).figure.axes
    drawn = sum(len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None")
    assert drawn == sum(len(one.front) for one in studies.values())
    assert axes.get_ylabel().startswith("test accuracy, %")
