"""The files of a report: every number in them, whole or not there."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.errors import BadStudy
from hwcost.files import unsealed
from hwcost.report import write_report


def brute_front(trials: pd.DataFrame) -> list[int]:
    done = [t for _, t in trials.iterrows() if t["state"] == "COMPLETE"]

    def beats(a: pd.Series[Any], b: pd.Series[Any]) -> bool:
        gains = (a["accuracy"] - b["accuracy"], b["LUT"] - a["LUT"], b["BRAM18"] - a["BRAM18"])
        return min(gains) >= 0 and max(gains) > 0

    return [t["number"] for t in done if not any(beats(other, t) for other in done)]


@pytest.mark.slow
def test_every_number_survives_into_csv_and_json(folder: Path) -> None:
    trials = made_up_trials().set_index("number")
    table = pd.read_csv(folder / "trials.csv").set_index("number")
    assert list(table.index) == list(trials.index)
    assert table["state"].tolist() == trials["state"].tolist()
    named = {"accuracy": "score", "test_accuracy": "test_score", "cycles": "interval_cycles"}
    for name in (*named, "LUT", "FF", "BRAM18", "seconds"):
        np.testing.assert_allclose(table[named.get(name, name)], trials[name].astype(float), rtol=1e-12)
    assert table.index[table["on_front"]].tolist() == brute_front(made_up_trials())
    widths = {entry["layer"]: entry["weight_bits"] for entry in trials["layers"][5]}
    assert table["weight_bits:conv2"][5] == widths["conv2"]
    assert table["param:budget"][5] == pytest.approx(trials["params"][5]["budget"])
    for point in json.loads((folder / "front.json").read_text())["points"]:
        assert point["LUT"] == trials["LUT"][point["number"]]
        assert point["layers"] == trials["layers"][point["number"]]
        assert point["command"] == "hwcost sweep --seed 3"
    assert unsealed((folder / "run.json").read_bytes()) == made_up_run()


def test_figures_of_an_own_training_are_columns(tmp_path: Path) -> None:
    trials = made_up_trials(9)
    trials["figures"] = [{"macro F1": 0.1 * number} if number != 7 else None for number in trials["number"]]
    page = write_report(tmp_path, trials, made_up_run()).read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "trials.csv")
    assert table["figure:macro F1"].dropna().tolist() == pytest.approx([0.1 * at for at in range(9) if at != 7])
    assert '{"key":"figure:macro F1","title":"macro F1"' in page
    trials["figures"] = [{"macro F1": "high"}] * 9
    with pytest.raises(BadStudy, match=r"trial 0: figures is .*high.*; it must be a table of numbers"):
        write_report(tmp_path, trials, made_up_run())


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
    for wrong in (record | {"schema": "hwcost-front/1"}, record | {"more": 1}, record | {"points": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    assert {name for name in named(SCHEMA) if f"`{name}`" not in page} == set()


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
