"""hwcost report: one study, several, single figures."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from command_line import Hwcost, refused


@pytest.mark.slow
def test_a_report_for_machines(hwcost: Hwcost, study: Path) -> None:
    told = json.loads(hwcost("report", "study", "--json").out)
    assert told == {"page": "study/index.html", "tables": ["study/front.json", "study/trials.csv"]}
    assert json.loads((study / "front.json").read_text())["points"]
    assert json.loads(hwcost("report", "study", "--json").out) == told
    assert hwcost("sweep", "tiny.py:recipe", "--trials", 3, "--out", "other", "--seed", 1, "--quiet").status == 0
    told = json.loads(hwcost("report", "study", "other", "--out", "study", "--json").out)
    assert told == {"page": "study/index.html", "tables": []}  # those beside it are of the study


@pytest.mark.slow
def test_every_figure_of_the_page_can_be_had_by_itself(hwcost: Hwcost, study: Path) -> None:
    assert hwcost("report", "study", "--figures").status == 0
    pictures = {path.name: path.read_bytes() for path in (study / "figures").iterdir()}
    names = {name.partition(".")[0] for name in pictures}
    assert set(pictures) == {f"{name}.{kind}" for name in names for kind in ("pdf", "svg", "png")} and len(names) > 5
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert all(content.startswith(begins[name[-3:]]) for name, content in pictures.items())
    refused(hwcost("report", "study", "study", "--figures"), "--figures is for one study")
    assert hwcost("report", "study", "--figures", "--width", "89mm").status == 0
    assert 'width="252.' in (study / "figures" / "front.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_that_the_page_offers_work(hwcost: Hwcost, study: Path) -> None:
    record = json.loads((study / "run.json").read_text())
    assert list(record["commands"]) == ["export", "verify", "build", "estimate"]
    number = json.loads((study / "front.json").read_text())["points"][0]["number"]
    for command in (record["trial_command"], *record["commands"].values()):
        words = shlex.split(command.replace("{number}", str(number)))
        assert words[0] == "hwcost"
        called = hwcost(*words[1:])
        assert called.status == 0, (command, called)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["report", "nowhere"], ["nowhere", "no study"]),
        (["report", "tiny.py"], ["tiny.py", "no study"]),
        (["report"], ["STUDIES"]),
        (["report", "nowhere", "--width", "3.5in"], ["--width", "--figures"]),
        (["report", "nowhere", "--figures", "--width", "3.5 km"], ["3.5 km", "89mm"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before
