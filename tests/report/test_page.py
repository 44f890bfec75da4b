"""The page: it needs nothing else, lists the front, and says what it must."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import read_study, write_report
from hwcost.report.front_figures import front_figure
from hwcost.report.style import INK, house_style


def brute_front(trials: pd.DataFrame) -> list[int]:
    done = [t for _, t in trials.iterrows() if t["state"] == "COMPLETE"]

    def beats(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
        gains = (a["accuracy"] - b["accuracy"], b["LUT"] - a["LUT"], b["BRAM18"] - a["BRAM18"])
        return min(gains) >= 0 and max(gains) > 0

    return [t["number"] for t in done if not any(beats(other, t) for other in done)]


def test_the_page_needs_nothing_else_and_is_well_formed(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    outside = re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    assert not re.findall(r"https?://|@import|<link(?! rel=\"icon\" href=\"data:,\")|src=", outside)
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 9  # front twice, resources, map, bars, training, hypervolume twice
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert len(root.get("aria-label") or "") > 30
        assert INK not in drawing  # the dark page swaps the colour
        assert "var(--ink)" in drawing
    identities = re.findall(r'\sid="([^"]+)"', page)
    assert len(set(identities)) == len(identities)
    for reference in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page):
        assert "".join(reference) in identities
    assert "&lt;loss is NaN&gt;" in page
    assert "<loss is NaN>" not in page


def test_the_page_lists_the_front_with_command_and_layers(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    trials = made_up_trials().set_index("number")
    listed = re.findall(r'<tbody id="trial-(\d+)".*?</td>\s*<td data-value="([\d.]+)">', page, flags=re.DOTALL)
    assert sorted(int(number) for number, _ in listed) == brute_front(made_up_trials())
    for number, accuracy in listed:
        assert float(accuracy) == trials["accuracy"][int(number)]
    assert page.count("<code>hwcost sweep --seed 3</code>") == len(listed) + 1
    markdown = (folder / "report.md").read_text()
    for number, _ in listed:
        accuracy, lut = trials["accuracy"][int(number)], trials["LUT"][int(number)]
        assert re.search(rf"^\| {number} \| {100 * accuracy:.2f} \|.* {lut:,.0f} \|", markdown, flags=re.MULTILINE)


def test_what_many_trials_failed_of_is_told_once(tmp_path: Path) -> None:
    rows = [{"number": n, "state": "FAIL", "error": "too high a rate" if n % 2 else "no memory"} for n in range(100)]
    page = write_report(tmp_path, pd.DataFrame([*rows, trial(100)]), made_up_run()).read_text()
    assert page.count("too high a rate") == page.count("no memory") == 1
    assert "1, 3, 5, 7, 9, 11, 13, 15 and 42 more" in page
    assert (tmp_path / "report.md").read_text().count("too high a rate") == 1


@pytest.mark.slow
def test_time_and_objectives_are_told_as_they_are(tmp_path: Path) -> None:
    rows = [trial(n, accuracy=0.9 + n / 100, seconds=0.4) for n in range(4)]
    page = write_report(tmp_path, pd.DataFrame(rows), made_up_run(**SINGLE)).read_text()
    assert "1.6 seconds of training" in page and "another objective" not in page
    page = write_report(tmp_path, pd.DataFrame(rows), made_up_run()).read_text()
    assert "are better in another objective\n(BRAM18)" in page


SCHEMA = json.loads(files("hwcost.report").joinpath("front.schema.json").read_text(encoding="utf-8"))


def trial(number: float, **values: Any) -> dict[str, Any]:
    return {"number": number, "state": "COMPLETE", "accuracy": 0.9, "LUT": 100.0, "BRAM18": 3.0} | values


SINGLE = {"objectives": [{"name": "accuracy", "direction": "maximize"}]}


FIVE = {"objectives": [{"name": n, "direction": "maximize" if n == "accuracy" else "minimize"}
                       for n in ("accuracy", "LUT", "BRAM18", "FF", "cycles")]}  # fmt: skip


BARE = {"device": {}, "float": {"validation": None, "test": None}, "data": {}, "versions": {}, "target_fps": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "changes", "says"),
    [
        ([trial(0)], {}, "1 front point of 1 finished trial"),
        ([], {}, "No trial has finished"),
        ([{"number": 0, "state": "RUNNING"}, {"number": 1, "state": "FAIL", "error": "oops"}], {}, "oops"),
        ([trial(n, accuracy=0.9 + n / 100, LUT=2.0**n, fits=False) for n in range(4)], {}, "No finished trial fits"),
        ([trial(n, accuracy=0.9 + n / 100) for n in range(4)], SINGLE, "the front is a single point"),
        ([trial(n) for n in range(4)], {}, "4 front points of 4"),
        ([trial(n, accuracy=np.nan) for n in range(3)], {}, "No trial has finished"),
        ([trial(0), trial(1, LUT=np.nan), trial(2, accuracy=0.95, LUT=np.inf)], {}, "1 front point of 1"),
        ([trial(n, LUT=0.0, BRAM18=0.0) for n in range(3)], {}, "No cost above 0"),
        ([trial(n, accuracy=1.0 - n / 9, LUT=9.0 - n) for n in range(3)], BARE, "was not recorded"),
        ([trial(0)], {"device": {"name": "VPK120", "unconfirmed": ["LUT", "FF"]}}, "document, of VPK120: LUT, FF."),
        ([trial(n, accuracy=n / 9, LUT=9.0 + n, LUTRAM=n) for n in (1, 2)], {"device": {"LUTRAM": 6000}}, "LUTRAM"),
        ([trial(n, accuracy=n / 9, LUT=1e6 * n + 1, FF=n, cycles=2 * n) for n in range(9)], FIVE, "9 front points"),
        ([trial(0), trial(1, accuracy=0.95, LUT=1000.0)], {"float": {"validation": 0.9, "test": None}}, "2 front"),
    ],
)
def test_studies_with_little_in_them(
    tmp_path: Path, rows: list[dict[str, Any]], changes: dict[str, Any], says: str
) -> None:
    trials = pd.DataFrame(rows, columns=None if rows else ["number", "state", "accuracy", "LUT", "BRAM18"])
    page = write_report(tmp_path, trials, made_up_run(**changes)).read_text()
    assert says in " ".join(page.split())
    assert not re.search(
        r"\bnan\b|\binf\b|None", re.sub(r'<script>.*|data-value="nan"|none', "", page, flags=re.DOTALL)
    )
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ET.fromstring(drawing)
    assert (tmp_path / "pareto.png").stat().st_size > 1000
    text = (tmp_path / "front.json").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    jsonschema.validate(record, SCHEMA)


@pytest.mark.slow
def test_synthesized_points_stand_beside_the_estimate(tmp_path: Path) -> None:
    trials = made_up_trials()
    number = int(read_study(trials, made_up_run()).front["number"].iloc[0])
    trials["LUT_measured"] = [1234.0 if one == number else None for one in trials["number"]]
    run = made_up_run(error_band={"LUT": [0.9, 1.25]})
    text = write_report(tmp_path, trials, run).read_text()
    assert "LUT synthesized" in text and ">1,234<" in text and "synthesized</text>" in text
    assert "0.90 to 1.25 times the estimate" in text
    with house_style():
        (axes,) = front_figure(read_study(trials, run)).figure.axes
    drawn = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "D"]
    assert (1234.0,) in [tuple(map(float, xs)) for xs in drawn if len(xs)]
    plain = write_report(tmp_path / "plain", made_up_trials(), made_up_run()).read_text()
    assert "synthesized" not in plain.replace("synthesizes", "")


@pytest.mark.slow
def test_what_was_refit_stands_beside_the_test_accuracy(tmp_path: Path) -> None:
    trials = made_up_trials()
    number = int(read_study(trials, made_up_run()).front["number"].iloc[0])
    trials["refit_accuracy"] = [0.9876 if one == number else None for one in trials["number"]]
    text = write_report(tmp_path, trials, made_up_run()).read_text()
    assert "refit, %" in text and ">98.76<" in text and "test, refit</text>" in text
    assert "| refit, % |" in (tmp_path / "report.md").read_text()
    points = json.loads((tmp_path / "front.json").read_text())["points"]
    assert {point["number"]: point["refit_score"] for point in points}[number] == 0.9876
    with house_style():
        (axes,) = front_figure(read_study(trials, made_up_run())).figure.axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines if line.get_marker() == "^"]
    assert (pytest.approx(98.76),) in [tuple(map(float, ys)) for ys in drawn if len(ys)]
    plain = write_report(tmp_path / "plain", made_up_trials(), made_up_run())
    assert "refit" not in plain.read_text() and "refit" not in plain.with_name("report.md").read_text()


@pytest.mark.slow
def test_texts_of_strangers_are_neither_html_nor_formulas(tmp_path: Path) -> None:
    trials, run = made_up_trials(), made_up_run()
    trials["error"] = trials["error"].astype(object)
    failed = trials.index[trials["state"] == "FAIL"][0]
    evil = "=cmd|' /c calc'!A0 <script>alert(1)</script>\n# heading | cell"
    trials.at[failed, "error"] = evil
    params: Any = trials.at[0, "params"]
    trials.at[0, "params"] = {**params, "+kind": "@SUM(1)"}
    run["study"] = "<img src=x onerror=alert(1)>"
    write_report(tmp_path, trials, run)
    text = (tmp_path / "report.md").read_text()
    assert "<script" not in text and "<img" not in text and "\n# heading" not in text
    assert "&lt;script&gt;" in text and "&lt;img src=x" in text
    table = pd.read_csv(tmp_path / "trials.csv", dtype=str)
    cells = [*table.columns, *(cell for cell in table.to_numpy().ravel() if isinstance(cell, str))]
    assert not [cell for cell in cells if cell[0] in "=@\t\r" or (cell[0] in "+-" and not cell[1:2].isdigit())]
    assert f"'{evil}" in cells and "'@SUM(1)" in cells
    page = (tmp_path / "index.html").read_text()
    assert "<script>alert" not in page and "<img src=x" not in page
