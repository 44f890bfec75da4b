"""hwcost train: a trial again, and what it reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Hwcost, refused

from hwcost.sweep.study_files import read_json, write_json


@pytest.mark.slow
def test_a_trial_is_trained_again(hwcost: Hwcost, study: Path) -> None:
    ended = hwcost("train", "--from", "study", "--trial", 1)
    assert (ended.status, ended.err) == (0, "")
    accuracy = json.loads((study / "trials.json").read_text())["trials"][1]["accuracy"]
    (line,) = (line.split() for line in ended.out.splitlines() if "accuracy" in line)
    assert line[1] == line[2] == f"{accuracy:.6g}"
    table = read_json(study / "trials.json")
    table["trials"][1]["accuracy"] = 0.125
    write_json(study / "trials.json", table)
    ended = hwcost("train", "--from", "study", "--trial", 1)
    assert ended.status == 2 and "0.125" in ended.out and "differ from the record" in ended.err


def test_verbose_prints_a_line_for_each_epoch(hwcost: Hwcost, study: Path) -> None:
    train = ("train", "--from", study, "--trial", "0")
    for flag, lines in (("--quiet", 0), ("--verbose", 6)):
        ended = hwcost(*train, flag)
        assert ended.status == 0 and ended.err.count("  epoch ") == lines
    ended = hwcost(*train, "--quiet", "--verbose")
    assert ended == (2, "", "hwcost: error: --quiet and --verbose both given; give one\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "--trial", "1"], ["--from"]),
        (["train", "--from", "nowhere", "--trial", "1"], ["nowhere", "no study"]),
        (["train", "--from", "nowhere", "--trial", "-1"], ["--trial"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before
