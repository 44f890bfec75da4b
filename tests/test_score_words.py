"""The words of a study whose score is an error: what people and programs read never calls it an accuracy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import command_line
from page_words import shown

from hwcost.cli import COMMANDS, cli

RECIPE = f"{Path(__file__).parents[1] / 'examples' / 'tasks' / 'regression.py'}:recipe"

READ = (
    "sweep/index.html", "sweep/report.md", "sweep/pareto.svg", "sweep/front.json", "sweep/trials.csv",
    "sweep/config.toml", "both/index.html", "both/comparison.md", "both/comparison.csv",
)  # fmt: skip
"""What is published; in its own records (trials.json, run.json, the journal) a study keeps any score as `accuracy`."""


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=lambda words: "".join(words) or "hwcost")
def test_no_help_text_takes_every_score_for_an_accuracy(command: list[str]) -> None:
    shown = CliRunner().invoke(cli, [*command, "--help"])
    assert shown.exit_code == 0 and "accurac" not in shown.output.lower()


@pytest.mark.slow
def test_nothing_that_is_read_calls_an_error_an_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "others.csv").write_text("name,score,LUT\nsomebody's,4.2,1500\n")
    sweep = ("sweep", RECIPE, "--trials")
    with command_line(tmp_path, monkeypatch, capsys) as hwcost:
        ended = [
            hwcost(*sweep, 3, "--out", "sweep", "--verbose"),
            hwcost(*sweep, 1, "--out", "again", "--seed", 1, "--json"),
            hwcost("finish", "sweep", "--repeat", 1, "--refit", 1, "--verbose"),
            hwcost("train", "--from", "sweep", "--trial", 1, "--verbose"),
            hwcost("train", "--from", "sweep", "--trial", 1, "--json"),
            hwcost("report", "sweep", "--figures"),
            hwcost("report", "sweep", "again", "--out", "both", "--published", "others.csv"),
            hwcost("report", "sweep", "again", "--published", "sweep/trials.csv"),
            hwcost(*sweep, 1, "--out", "sweep", "--seed", 3),
        ]
    assert [one.status for one in ended] == [0] * 7 + [2] * 2
    said = [one.out + one.err for one in ended]
    assert " mm" in said[0] and "RMSE" in said[3] and '"score": ' in said[4] and "no column name" in said[7]
    read = [*map(tmp_path.joinpath, READ), *(tmp_path / "sweep" / "figures").glob("*.svg")]
    assert len(read) > len(READ)
    told = {str(path): path.read_text(encoding="utf-8") for path in read} | dict(enumerate(said))
    for name, text in told.items():
        words = shown(text) if str(name).endswith(".html") else text
        assert "accurac" not in words.lower(), name


@pytest.mark.slow
def test_a_worker_tells_epochs_in_the_unit_of_the_score(tmp_path: Path) -> None:
    places = {"HWCOST_STORAGE": str(tmp_path / "shared.journal"), "HWCOST_ARTIFACTS": str(tmp_path / "weights")}
    hwcost = [sys.executable, "-c", "import sys; from hwcost.cli import main; sys.exit(main())"]

    def started(*words: str, heard: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen([*hwcost, *words], cwd=tmp_path, env=os.environ | places, text=True, stderr=heard)

    leads = started("sweep", RECIPE, "--trials", "4", "--out", "led", "--quiet")
    follows = started(
        "worker", "led", "--recipe", RECIPE, "--out", "w", "--wait", "60", "--verbose", heard=subprocess.PIPE
    )
    try:
        _, said = follows.communicate(timeout=300)
        assert (leads.wait(300), follows.returncode) == (0, 0), said
    finally:
        leads.kill()
        follows.kill()
    assert " mm  " in said and "%" not in said and "accurac" not in said.lower()
