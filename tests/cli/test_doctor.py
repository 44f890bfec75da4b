"""hwcost doctor: what is here, what is not, and how to get it."""

from __future__ import annotations

import json
from importlib.metadata import requires
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from toy_study import finished, grown

from hwcost.cli import cli, doctor
from hwcost.errors import BadOption
from hwcost.search import JOURNAL


def test_it_names_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json"], standalone_mode=False)
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["packages"]["works"] and found["storage"]["works"] and "training" not in found
    needed = [Requirement(text) for text in requires("hwcost") or [] if "extra" not in text]
    assert all(one.name in found["packages"]["detail"] for one in needed)
    cli.main(["doctor"], standalone_mode=False)
    shown = capsys.readouterr().out
    unwrapped = " ".join(shown.split())
    assert all(" ".join(finding["detail"].split()) in unwrapped for finding in found.values())
    assert max(map(len, shown.splitlines())) <= 80, "a pipe is taken for a terminal of 80 characters"
    assert "not tried: training, accelerator, synthesizer; hwcost doctor --try starts them" in shown


@pytest.mark.slow
def test_it_starts_what_it_is_asked_to_try() -> None:
    found = {finding.name: finding for finding in doctor.examine(start=True)}
    assert found["training"].works and found["training"].detail.startswith("torch ")
    assert {"accelerator", "synthesizer"} <= found.keys()
    assert all(finding.detail and bool(finding.remedy) != finding.works for finding in found.values())


@pytest.mark.parametrize(
    ("script", "detail"),
    [("raise SystemExit('no luck')", "no luck"), ("1 / 0", "ZeroDivisionError: division by zero"),
     ("import os; os.abort()", "the process ended with status -6")],
)  # fmt: skip
def test_a_process_that_fails_is_a_finding(script: str, detail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TRAIN", script)
    training = next(finding for finding in doctor.examine(start=True) if finding.name == "training")
    assert (training.works, training.needed) == (False, True)
    assert training.detail == detail and training.remedy == "pip install -U torch numpy"


def test_it_says_how_to_get_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["numpy>=99", "nothing-of-that-name; extra == 'synth'"]
    monkeypatch.setattr(doctor, "requires", lambda name: wanted)
    _, packages, synth, _ = doctor.examine(start=False)
    assert (packages.works, packages.needed) == (False, True) and "numpy>=99 required" in packages.detail
    assert (synth.works, synth.needed) == (False, False)
    assert synth.detail == "no nothing-of-that-name" and synth.remedy == "pip install 'hwcost[synth]'"
    with pytest.raises(BadOption, match=r"packages: numpy>=99 required.*pip install -U hwcost"):
        cli.commands["doctor"].main([], standalone_mode=False)
    assert "broken" in capsys.readouterr().out


def test_a_damaged_journal_is_repaired_and_what_was_dropped_is_said(tmp_path: Path) -> None:
    grown(tmp_path, 3)
    whole, path = finished(tmp_path), tmp_path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], lines[6].replace(b"op", b"0p"), *lines[7:]]))
    damaged = path.read_bytes()

    ended = CliRunner().invoke(cli, ["doctor", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert "dropped line 7: damaged" in ended.output and "trial 0: not complete" in ended.output
    assert (tmp_path / f"{JOURNAL}.damaged-1").read_bytes() == damaged
    grown(tmp_path, 3)
    assert sorted(map(str, finished(tmp_path))) == sorted(map(str, whole))

    ended = CliRunner().invoke(cli, ["doctor", str(tmp_path), "--json"])
    assert json.loads(ended.output) == {"study": str(tmp_path), "repair": None}


def test_a_folder_without_a_study_is_one_line(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["doctor", str(tmp_path / "missing")])
    assert ended.exit_code == 2 and ended.output.startswith("hwcost: error: ") and ended.output.count("\n") == 1
