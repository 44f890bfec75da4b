"""The report of a made-up study: its numbers, its files, and studies with little in them."""

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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from optuna._hypervolume import compute_hypervolume

from hwcost.errors import BadStudy
from hwcost.report import read_study, write_report
from hwcost.report.front_figures import front_figure, resource_figures
from hwcost.report.layer_figures import bit_width_figure, lut_figure, training_figure
from hwcost.report.parallel_figure import parallel_figure
from hwcost.report.progress_figures import hypervolume_course, progress_figures, scaled_objectives
from hwcost.report.style import INK, Drawing, house_style, inline_svg


def brute_front(trials: pd.DataFrame) -> list[int]:
    done = [t for _, t in trials.iterrows() if t["state"] == "COMPLETE"]

    def beats(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
        gains = (a["accuracy"] - b["accuracy"], b["LUT"] - a["LUT"], b["BRAM18"] - a["BRAM18"])
        return min(gains) >= 0 and max(gains) > 0

    return [t["number"] for t in done if not any(beats(other, t) for other in done)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "study"
    assert write_report(path, made_up_trials(), made_up_run()) == path / "index.html"
    return path


def test_the_front_and_its_marks_by_brute_force(folder: Path) -> None:
    trials = made_up_trials().assign(on_front=True)  # what the caller claims does not count
    record = json.loads((folder / "front.json").read_text())
    front = brute_front(trials)
    assert len(front) > 5
    assert sorted(point["number"] for point in record["points"]) == front
    points = [t for _, t in trials.iterrows() if t["number"] in front and t["fits"]]
    marks = {name: mark["number"] for mark in record["marks"] for name in mark["names"]}
    for drop, name in ((0.005, "0.5 points"), (0.01, "1 point"), (0.02, "2 points")):
        good = [t for t in points if t["accuracy"] >= 0.9861 - drop - 1e-9]
        expected = min(good, key=lambda t: (t["LUT"], -t["accuracy"]))["number"] if good else None
        assert marks.get(f"cheapest within {name} of float") == expected
    assert marks["most accurate"] == max(points, key=lambda t: (t["accuracy"], -t["LUT"]))["number"]
    assert any(f"within {name}" in " ".join(marks) for name in ("0.5", "1", "2"))


def test_every_number_survives_into_csv_and_json(folder: Path) -> None:
    trials = made_up_trials().set_index("number")
    table = pd.read_csv(folder / "trials.csv").set_index("number")
    assert list(table.index) == list(trials.index)
    assert table["state"].tolist() == trials["state"].tolist()
    for name in ("accuracy", "test_accuracy", "LUT", "FF", "BRAM18", "cycles", "seconds"):
        np.testing.assert_allclose(table[name], trials[name].astype(float), rtol=1e-12)
    assert table.index[table["on_front"]].tolist() == brute_front(made_up_trials())
    widths = {entry["layer"]: entry["weight_bits"] for entry in trials["layers"][5]}
    assert table["weight_bits:conv2"][5] == widths["conv2"]
    assert table["param:budget"][5] == pytest.approx(trials["params"][5]["budget"])
    for point in json.loads((folder / "front.json").read_text())["points"]:
        assert point["LUT"] == trials["LUT"][point["number"]]
        assert point["layers"] == trials["layers"][point["number"]]
        assert point["command"] == "hwcost sweep --seed 3"
    assert json.loads((folder / "run.json").read_text()) == made_up_run()


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


def test_a_command_per_trial() -> None:
    study = read_study(made_up_trials(5), made_up_run(trial_command="hwcost sweep --seed 3 --only {number}"))
    assert study.command(4) == "hwcost sweep --seed 3 --only 4"


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
        progress = progress_figures(study)[0]
        for figure in (training.figure, progress.figure):
            FigureCanvasAgg(figure).draw()
        whole = [*training.figure.axes[1].get_xticks(), *training.figure.axes[1].get_yticks()]
        whole += list(progress.figure.axes[0].get_xticks())
        assert whole == [round(tick) for tick in whole]
        assert max(training.figure.axes[0].get_yticks()) <= 100


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


def test_one_small_figure_for_each_resource_that_varies() -> None:
    with house_style():
        names = [drawing.name for drawing in resource_figures(read_study(made_up_trials(), made_up_run()))]
    assert names == ["by-FF", "by-BRAM18", "by-cycles"]


def test_the_bit_width_map_shows_each_width() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = bit_width_figure(study)
    assert drawing is not None
    weights = drawing.figure.axes[0]
    names = [label.get_text() for label in weights.get_yticklabels()]
    shown = {(round(t.get_position()[0]), names[round(t.get_position()[1])]): int(t.get_text()) for t in weights.texts}
    expected = {
        (column, entry["layer"]): entry["weight_bits"]
        for column, layers in enumerate(study.front["layers"])
        for entry in layers
        if entry["weight_bits"] is not None
    }
    assert shown == expected


def test_the_bars_add_up_to_the_layers() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = lut_figure(study)
    assert drawing is not None
    bars = [(round(p.get_y() + p.get_height() / 2), p.get_width()) for p in drawing.figure.axes[0].patches]
    total = pd.DataFrame(bars, columns=["bar", "LUT"]).groupby("bar")["LUT"].sum()
    heads = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    for position, head in enumerate(heads):
        number = int(head.split(",")[0].removeprefix("trial "))
        layers = study.trials.set_index("number")["layers"][number]
        assert total[position] == pytest.approx(sum(entry["LUT"] for entry in layers))
    marked = {int(study.complete["number"][mark.row]) for mark in study.marks}
    assert marked <= {int(head.split(",")[0].removeprefix("trial ")) for head in heads}


def test_the_training_figure_names_every_width() -> None:
    with house_style():
        drawing = training_figure(read_study(made_up_trials(), made_up_run()))
    assert drawing is not None
    words = {text.get_text() for text in drawing.figure.axes[1].texts}
    assert words >= {"conv1.weight", "conv1.activation", "quant.weight", "fc2.weight"}
    assert re.search(r"conv2.weight \d to \d", drawing.alternative)


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
    assert names == ["budget", "LUT (log)", "FF (log)", "BRAM18 (log)", "cycles (log)", "accuracy, %"]
    found = lines_of(drawing.figure)
    assert found.keys() == {f"point-{row}" for row in study.front.index} == {f"point-{key}" for key in drawing.points}
    budgets = np.array([params["budget"] for params in study.complete["params"]])
    luts, accuracy = study.column("LUT"), study.column("accuracy")
    for row in study.front.index:
        heights = found[f"point-{row}"]
        assert heights[0] == pytest.approx((budgets[row] - budgets.min()) / np.ptp(budgets))
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


SCHEMA = json.loads(files("hwcost.report").joinpath("front.schema.json").read_text(encoding="utf-8"))


def named(schema: dict[str, Any]) -> set[str]:
    """Names of all properties, at any depth; each must say what it is."""
    found = set()
    for name, entry in schema.get("properties", {}).items():
        assert entry["description"], name
        found |= {name} | named(entry) | named(entry.get("items", {}))
    return found


def test_the_front_is_what_its_schema_says(folder: Path) -> None:
    record = json.loads((folder / "front.json").read_text())
    jsonschema.validate(record, SCHEMA)
    for wrong in (record | {"schema": "hwcost-front/2"}, record | {"more": 1}, record | {"points": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    assert {name for name in named(SCHEMA) if f"`{name}`" not in page} == set()


def test_hypervolume_course_agrees_with_optuna_at_every_trial() -> None:
    study = read_study(made_up_trials(), made_up_run())
    losses, course = 1 - scaled_objectives(study), hypervolume_course(study)
    assert losses.min() == 0
    assert losses.max() == 1
    for count in range(1, len(losses) + 1):
        assert course[count - 1] == pytest.approx(compute_hypervolume(losses[:count], np.ones(3)), abs=1e-12)


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


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in made_up_run().items() if k != key}


@pytest.mark.parametrize(
    ("rows", "run", "complaint"),
    [
        ([trial(0)], without("command"), "no 'command'"),
        ([trial(0)], made_up_run(seed="3"), r"run\['seed'\] is '3'"),
        ([trial(0)], made_up_run(objectives=[]), "at least one"),
        ([trial(0)], made_up_run(objectives=[{"name": "LUT", "direction": "down"}]), "direction 'down'"),
        ([trial(0)], made_up_run(objectives=["LUT"]), "needs a name"),
        ([trial(0)], made_up_run(objectives=[{"name": "watts", "direction": "minimize"}]), "objective 'watts'"),
        ([trial(0)], made_up_run(trial_command="hwcost sweep"), "has no {number}"),
        ([trial(0)], made_up_run(data={"x": object()}) | {"extra": {1}}, "JSON cannot hold"),
        ([{"state": "COMPLETE", "accuracy": 0.5}], made_up_run(), "no column number"),
        ([trial(0, state="PRUNED")], made_up_run(), "state 'PRUNED'"),
        ([trial(0), trial(0)], made_up_run(), "used twice"),
        ([trial(0, LUT="many")], made_up_run(), "'LUT' holds"),
        ([trial(0, accuracy=97.0)], made_up_run(), "ratios in 0..1"),
        ([trial(0, params=[])], made_up_run(), r"trial 0: params is \[\]; it must be a table"),
        ([trial(0, layers=[1])], made_up_run(), r"trial 0: layers is \[1\]; it must be a list of tables"),
        ([trial(0, layers=[{"LUT": 3}])], made_up_run(), "layers: layer is None; it must be a name"),
        ([trial(0, layers=[{"layer": "a", "LUT": np.inf}])], made_up_run(), "layers: a: LUT is inf"),
        ([trial(0, epochs=[{"epoch": "one"}])], made_up_run(), "epochs: epoch is 'one'"),
        ([trial(0, epochs=[{"widths": 3}])], made_up_run(), "epochs: widths is 3"),
        ([trial(0, epochs=[{"widths": {"a": "x"}}])], made_up_run(), "epochs: widths: a is 'x'"),
        ([trial(0, fits="no")], made_up_run(), "'fits' holds 'no'"),
        ([trial(np.inf)], made_up_run(), "numbers are missing"),
        ([trial(0.5)], made_up_run(), "numbers are missing"),
        ([trial(0)], made_up_run(seed=True), r"run\['seed'\] is True"),
        ([trial(0)], made_up_run(target_fps={"a": 1}), r"run\['target_fps'\] is .*; it must be a number"),
        ([trial(0)], made_up_run(error_band={"LUT": -1}), r"run\['error_band'\] is .*pairs of numbers"),
        ([trial(0)], made_up_run(float={"validation": "x"}), r"run\['float'\]\['validation'\] is 'x'"),
        ([trial(0)], made_up_run(device={"LUT": "many"}), r"run\['device'\]\['LUT'\] is 'many'"),
        ([trial(0)], made_up_run(objectives=[{"name": "LUT", "direction": "minimize"}] * 2), "a name of its own"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], run: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadStudy, match=complaint) as caught:
        write_report(tmp_path, pd.DataFrame(rows), run)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadStudy, match="cannot be written"):
        write_report(tmp_path / "file", made_up_trials(3), made_up_run())
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.slow
def test_written_again_it_is_the_same_and_leaves_strangers_alone(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("trials")
    trials = made_up_trials(100)
    write_report(tmp_path, trials, made_up_run())
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(tmp_path, trials.sample(frac=1, random_state=1), made_up_run())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert set(first) == {
        "study.db", "index.html", "report.md", "pareto.png", "pareto.svg", "trials.csv", "front.json", "run.json",
    }  # fmt: skip
    assert sum(len(content) for content in first.values()) < 1_000_000


@pytest.mark.slow
def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, made_up_trials(4), made_up_run())
    old = (tmp_path / "index.html").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadStudy, match="No space left"):
        write_report(tmp_path, made_up_trials(8), made_up_run())
    assert (tmp_path / "index.html").read_bytes() == old
    assert not list(tmp_path.glob(".*"))


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
    assert {point["number"]: point["refit_accuracy"] for point in points}[number] == 0.9876
    with house_style():
        (axes,) = front_figure(read_study(trials, made_up_run())).figure.axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines if line.get_marker() == "^"]
    assert (pytest.approx(98.76),) in [tuple(map(float, ys)) for ys in drawn if len(ys)]
    plain = write_report(tmp_path / "plain", made_up_trials(), made_up_run())
    assert "refit" not in plain.read_text() and "refit" not in plain.with_name("report.md").read_text()
