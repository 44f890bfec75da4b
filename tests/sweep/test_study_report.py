"""The table of a study on disk, and the pages that are drawn from it alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tiny_recipe
from made_up_study import made_up_run, made_up_trials
from sweeps import experiment

from hwcost.errors import BadStudy
from hwcost.sweep import study_report
from hwcost.sweep.study_report import compare, publish, write_table


class Frame:
    """A study that has only its table."""

    def frame(self, *, known: Collection[int] = ()) -> pd.DataFrame:
        common = {"seed": 1, "seconds": 2.5, "params": {"base": 2}, "BRAM18": 1.0}
        rows = pd.DataFrame(
            [
                {"number": 0, "state": "COMPLETE", "accuracy": 0.9, "LUT": 500.0, "reason": None, **common,
                 "checkpoint": "9f"},
                {"number": 1, "state": "FAIL", "accuracy": float("nan"), "LUT": float("inf"), "reason": "no memory",
                 **common, "checkpoint": None},
            ]
        )  # fmt: skip
        return rows[~rows["number"].isin(list(known))]


def test_the_table_is_plain_json_and_weights_that_are_gone_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        write_table(experiment(tiny_recipe.recipe, tmp_path), Frame())  # type: ignore[arg-type] # its table is all
    assert "trial-0000.pt are gone; restore them" in caplog.text
    first, second = json.loads((tmp_path / "trials.json").read_text())["trials"]
    assert (first["number"], first["accuracy"], first["error"], first["test_accuracy"]) == (0, 0.9, None, None)
    assert (second["accuracy"], second["LUT"], second["error"]) == (None, None, "no memory")
    assert "reason" not in first and "repeats" not in first and first["params"] == {"base": 2}


def written(folder: Path) -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(made_up_run()))
    rows = made_up_trials(4).astype(object)
    rows = rows.where(rows.notna(), None)
    (folder / "trials.json").write_text(json.dumps({"trials": rows.to_dict("records")}))
    return folder


def test_a_page_is_drawn_with_what_was_synthesized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "s")
    (folder / "verify" / "trial-0002").mkdir(parents=True)
    table = "layer,LUT_measured,BRAM18_measured,DSP_measured\na,100,1,0\nb,23,0,0\n"
    (folder / "verify" / "trial-0002" / "verify.csv").write_text(table)
    drawn: list[Any] = []

    def draw(*args: Any, **options: Any) -> Path:
        drawn.append((args, options))
        return folder

    monkeypatch.setattr(study_report, "write_report", draw)
    publish(folder, running=True)
    ((where, trials, run), options) = drawn[0]
    assert where == folder and run["recipe"] == "digits" and options == {"running": True, "figures": None}
    assert trials["LUT_measured"].tolist()[2] == 123 and trials["LUT_measured"].isna().sum() == len(trials) - 1


def test_a_comparison_names_each_study_once(tmp_path: Path) -> None:
    folder = written(tmp_path / "s")
    with pytest.raises(BadStudy, match="a study is named twice; name each once"):
        compare([folder, tmp_path / "." / "s"], tmp_path / "out")
