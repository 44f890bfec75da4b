"""The page: it needs nothing else, lists the front, and says what it must."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from made_up_study import PART, made_up_run, made_up_trials
from matplotlib.figure import Figure

from hwcost.errors import BadStudy
from hwcost.report import read_study, write_report
from hwcost.report.front_figures import front_figure
from hwcost.report.page import SCRIPTS, html, markdown
from hwcost.report.style import Drawing, house_style


def brute_front(trials: pd.DataFrame) -> list[int]:
    done = [t for _, t in trials.iterrows() if t["state"] == "COMPLETE"]

    def beats(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
        gains = (a["accuracy"] - b["accuracy"], b["LUT"] - a["LUT"], b["BRAM18"] - a["BRAM18"])
        return min(gains) >= 0 and max(gains) > 0

    return [t["number"] for t in done if not any(beats(other, t) for other in done)]


def embedded(page: str) -> dict[str, Any]:
    """The data that the scripts of a page read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_needs_nothing_else_and_is_well_formed(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    assert not re.findall(r"https?://|@import|<link(?! rel=\"icon\" href=\"data:,\")|src=|import\(|fetch\(", page)
    identities = re.findall(r'\sid="([^"$]+)"', page)
    assert len(set(identities)) == len(identities)
    for reference in re.findall(r'href="#([^"$]+)"', page):
        assert int(reference.removeprefix("trial-")) in set(made_up_trials()["number"])
    assert "&lt;loss is NaN&gt;" in page
    assert "<loss is NaN>" not in page
    for script in SCRIPTS:
        assert files("hwcost.report").joinpath(f"script/{script}.js").read_text(encoding="utf-8").strip()[:200] in page


def test_the_scripts_are_files_that_can_be_read() -> None:
    folder = Path(str(files("hwcost.report"))) / "script"
    assert {path.stem for path in folder.iterdir()} == set(SCRIPTS)
    for path in folder.iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path.name


def test_the_page_has_every_trial_and_the_markdown_the_front_with_commands(folder: Path) -> None:
    page, trials = embedded((folder / "index.html").read_text()), made_up_trials().set_index("number")
    columns = page["columns"]
    assert columns["number"] == list(trials.index)
    front = [number for number, on in zip(columns["number"], columns["front"], strict=True) if on]
    assert sorted(front) == brute_front(made_up_trials())
    assert {int(number) for number in page["details"]} == set(trials.index[trials["state"] != "FAIL"])
    markdown = (folder / "report.md").read_text()
    for number in front:
        accuracy, lut = trials["accuracy"][number], trials["LUT"][number]
        assert columns["accuracy"][columns["number"].index(number)] == pytest.approx(100 * accuracy, rel=1e-5)
        assert re.search(rf"^\| {number} \| {100 * accuracy:.2f} \|.* {lut:,.0f} \|", markdown, flags=re.MULTILINE)
    assert page["commands"] == {"train": "hwcost sweep --seed 3"} and not page["again"]


def test_interrupted_trials_are_not_called_failed(tmp_path: Path) -> None:
    rows = [trial(0), {"number": 1, "state": "FAIL", "error": "interrupted; retried as trial 2"},
            {"number": 2, "state": "FAIL", "error": "interrupted: its process died 3 times; given up"}]  # fmt: skip
    page = write_report(tmp_path, pd.DataFrame(rows), made_up_run()).read_text()
    assert "(1 complete, 1 interrupted, 1 failed)" in page
    assert embedded(page)["columns"]["state"] == ["complete", "interrupted", "failed"]
    for text in (page, (tmp_path / "report.md").read_text()):
        assert (
            text.index("Failed trials")
            < text.index("given up")
            < text.index("Interrupted trials")
            < text.rindex("retried")
        )


def test_what_many_trials_failed_of_is_told_once(tmp_path: Path) -> None:
    rows = [{"number": n, "state": "FAIL", "error": "too high a rate" if n % 2 else "no memory"} for n in range(100)]
    page = write_report(tmp_path, pd.DataFrame([*rows, trial(100)]), made_up_run()).read_text()
    listed = page[: page.index("<script")]
    assert listed.count("too high a rate") == listed.count("no memory") == 1
    assert "1, 3, 5, 7, 9, 11, 13, 15 and 42 more" in page
    assert (tmp_path / "report.md").read_text().count("too high a rate") == 1


@pytest.mark.slow
def test_time_and_objectives_are_told_as_they_are(tmp_path: Path) -> None:
    rows = [trial(n, accuracy=0.9 + n / 100, seconds=0.4) for n in range(4)]
    page = write_report(tmp_path, pd.DataFrame(rows), made_up_run(**SINGLE)).read_text()
    assert "1.6 seconds of training" in page and "another objective" not in page
    page = write_report(tmp_path, pd.DataFrame(rows), made_up_run()).read_text()
    assert "are better in another objective (BRAM18)" in page


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
    assert not re.search(r"\bnan\b|\binf\b|None", re.sub(r"<script>.*|none", "", page, flags=re.DOTALL))
    assert (tmp_path / "pareto.png").stat().st_size > 1000
    text = (tmp_path / "front.json").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    jsonschema.validate(record, SCHEMA)


@pytest.mark.slow
def test_synthesized_points_stand_beside_the_estimate(tmp_path: Path) -> None:
    trials = made_up_trials()
    number = int(read_study(trials, made_up_run()).front["number"].iloc[0])
    trials["LUT_measured"] = [1234.0 if one == number else None for one in trials["number"]]
    run = made_up_run(error_band={"LUT": [0.9, 1.25], "FF": [1.0, 1.21]})
    text = write_report(tmp_path, trials, run).read_text()
    data = embedded(text)
    assert 1234 in data["columns"]["LUT_measured"] and "LUT synthesized" in {one["title"] for one in data["metrics"]}
    assert "measured / estimated was 0.90 to 1.25 for LUT, 1.00 to 1.21 for FF." in text
    with house_style():
        (axes,) = front_figure(read_study(trials, run)).figure.axes
    drawn = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "D"]
    assert (1234.0,) in [tuple(map(float, xs)) for xs in drawn if len(xs)]
    plain = write_report(tmp_path / "plain", made_up_trials(), made_up_run()).read_text()
    assert "synthesized" not in json.dumps(embedded(plain))


def test_each_further_part_has_its_front() -> None:
    study = read_study(made_up_trials(), made_up_run(parts=[PART]))
    text = html(study)
    assert "30 of 35 fit, 1 on its front" in text and '2,304 <span class="share">1.0 %</span>' in text
    assert '<a href="#trial-1">1</a></td><td>95.00</td>' in text
    written = markdown(study, Drawing(name="pareto", figure=Figure(), alternative="picture"))
    assert "## On the ZCU104" in written and "| 1 | 95.00 | 2,304 |" in written
    assert "On other parts" not in html(read_study(made_up_trials(), made_up_run()))


@pytest.mark.slow
def test_what_was_refit_stands_beside_the_test_accuracy(tmp_path: Path) -> None:
    trials = made_up_trials()
    number = int(read_study(trials, made_up_run()).front["number"].iloc[0])
    trials["refit_accuracy"] = [0.9876 if one == number else None for one in trials["number"]]
    text = write_report(tmp_path, trials, made_up_run()).read_text()
    assert 98.76 in embedded(text)["columns"]["refit_accuracy"]
    assert "| refit, % |" in (tmp_path / "report.md").read_text()
    points = json.loads((tmp_path / "front.json").read_text())["points"]
    assert {point["number"]: point["refit_score"] for point in points}[number] == 0.9876
    with house_style():
        (axes,) = front_figure(read_study(trials, made_up_run())).figure.axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines if line.get_marker() == "^"]
    assert (pytest.approx(98.76),) in [tuple(map(float, ys)) for ys in drawn if len(ys)]
    plain = write_report(tmp_path / "plain", made_up_trials(), made_up_run())
    assert (
        "refit" not in embedded(plain.read_text())["metrics"]
        and "refit" not in plain.with_name("report.md").read_text()
    )


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


@pytest.mark.slow
def test_where_no_score_is_of_use_the_front_is_empty_and_said_so(tmp_path: Path) -> None:
    objectives: list[dict[str, object]] = [{"name": "accuracy", "direction": "maximize", "worst": 0.95},
                  {"name": "LUT", "direction": "minimize"}]  # fmt: skip
    rows = [trial(0, accuracy=0.9), trial(1, accuracy=0.95, LUT=200), trial(2, accuracy=0.97, LUT=300)]
    page = write_report(tmp_path / "some", pd.DataFrame(rows), made_up_run(objectives=objectives)).read_text()
    assert "2 front points" in page and "maximize accuracy (worst 95.00 %)" in page
    page = write_report(tmp_path / "none", pd.DataFrame(rows[:1]), made_up_run(objectives=objectives)).read_text()
    assert "No finished trial is within the worst value that counts, so the front is empty" in page
    assert "The line is the best" not in page and "Whiskers: " not in page
    smaller = [{**objectives[0], "direction": "minimize"}, objectives[1]]
    cheap = trial(3, accuracy=0.97, LUT=50)  # on the front, if it counted
    assert list(read_study(pd.DataFrame([*rows, cheap]), made_up_run(objectives=smaller)).front["number"]) == [0]
    with pytest.raises(BadStudy, match=r"the worst value '0\.9'; it must"):
        read_study(pd.DataFrame(rows), made_up_run(objectives=[{**objectives[0], "worst": "0.9"}, objectives[1]]))
