"""hwcost finish: the front of a study is repeated and refit, and no trial is added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Hwcost, refused

from hwcost.sweep.study_files import read_json


@pytest.mark.slow
def test_the_front_is_repeated_and_refit(hwcost: Hwcost, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWCOST_STORAGE", "sqlite:///of-another-study.db")  # this one is kept in its folder
    before = json.loads((study / "trials.json").read_text())["trials"]
    ended = hwcost("finish", study, "--repeat", 1, "--refit", 1, "--quiet", "--json")
    assert (ended.status, ended.err) == (0, "")
    result = json.loads(ended.out)
    assert result["page"] == str(study / "index.html") and (result["finished"], result["interrupted"]) == (3, False)
    after = json.loads((study / "trials.json").read_text())["trials"]
    assert [trial["params"] for trial in after] == [trial["params"] for trial in before]
    front = {str(point["number"]) for point in json.loads((study / "front.json").read_text())["points"]}
    for name in ("repeats.json", "refit.json"):
        kept = read_json(study / name)  # by number, and a hash of what was trained
        assert {key.partition("-")[0] for key in kept} == front
    made = hwcost(
        "export", study, "--to", "onnx", "--trial", min(front), "--refit", "--input-step", 1, "-o", study / "x"
    )
    assert made.status == 0, made.err


def test_bad_input_is_one_line(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    refused(hwcost("finish", tmp_path / "nowhere", "--refit", 1), "nowhere", "no study")
    refused(hwcost("finish", study), "nothing to do; give --polish ROUNDS, --repeat SEEDS or --refit EPOCHS")
    refused(hwcost("finish", study, "--polish", 1), "--warm")
    refused(hwcost("finish", study, "--refit", "-1"), "--refit")
    refused(hwcost("finish", study, "--refit", 1, "--jobs", 2, "--verbose"), "omit --jobs")
    assert not (study / "refit.json").exists()


@pytest.mark.slow
def test_the_database_that_a_record_names_is_not_connected_to(
    hwcost: Hwcost, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder from somebody else may name any database; only the user names one that is opened."""
    monkeypatch.delenv("HWCOST_STORAGE", raising=False)
    planted = tmp_path / "planted.db"
    record = read_json(study / "run.json")
    record["settings"] |= {"storage": f"sqlite:///{planted}", "artifacts": str(tmp_path / "weights")}
    (study / "run.json").write_text(json.dumps(record))
    refused(hwcost("finish", study, "--repeat", 1), "planted.db", "name it yourself", "HWCOST_STORAGE")
    assert not planted.exists()
