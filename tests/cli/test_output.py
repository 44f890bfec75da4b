"""What commands say while they work and to machines: --quiet, --verbose, --json, colours, examples, exit statuses."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import tiny_recipe

from hwcost.cli import COMMANDS, STATUSES, cli, doctor, main
from hwcost.cli import sweep as sweep_module
from hwcost.cli.laboratory import progress_bar
from hwcost.cli.options import Telling
from hwcost.sweep.run import Listener

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def flags(name: str) -> set[str]:
    return {flag for option in command(name).params for flag in option.opts}


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["hwcost", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_page_of_the_command_line_says_what_the_commands_do() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert {int(status): meaning for status, meaning in rows} == STATUSES
    machines, progress = PAGE.partition("**Progress**")[::2]
    progress = progress.partition("**Colours**")[0]
    for name in COMMANDS:
        assert ("--json" in flags(name)) == (f"`{name}`" in machines), name
        assert ("--quiet" in flags(name)) == ("--verbose" in flags(name)) == (f"`{name}`" in progress), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_the_help_are_calls(name: str) -> None:
    examples = re.findall(r"^\s*(?:eval \"\$\()?hwcost (.*)$", (command(name).help or ""), flags=re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(')"')[0].partition(" > ")[0], comments=True)
        assert words[0] == name
        command(name).make_context(name, words[1:], parent=click.Context(cli)).close()


def test_units_are_told_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for telling, lines in ((Telling(), 0), (Telling(quiet=True), 0), (Telling(verbose=True), 3)):
        with progress_bar("units", telling) as told:
            for done in range(1, 4):
                told(done, 3)
        assert capsys.readouterr().err.count("units ") == lines


class Terminal(io.StringIO):
    """As far as anybody asks."""

    def isatty(self) -> bool:
        return True


def test_no_color_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *, start: [doctor.Finding("all", True, "is well")])
    for value, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", value)
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        assert call(monkeypatch, "doctor") == 0
        assert "is well" in screen.getvalue() and ("\x1b[" in screen.getvalue()) == coloured


def test_a_trial_tells_its_epochs_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(tiny_recipe.__file__), tmp_path / "tiny.py")
    assert call(monkeypatch, "sweep", "tiny.py:recipe", "--trials", "1", "--out", "s", "--quiet") == 0
    capsys.readouterr()
    train = ("train", "--from", "s", "--trial", "0")
    for words, lines in ((("--quiet",), 0), (("--verbose",), 6)):
        assert call(monkeypatch, *train, *words) == 0
        assert capsys.readouterr().err.count("  epoch ") == lines
    assert call(monkeypatch, *train, "--quiet", "--verbose") == 2
    assert capsys.readouterr().err == "hwcost: error: --quiet and --verbose both given; give one\n"
    assert call(monkeypatch, "export", "s", "--to", "finn", "--trial", "0", "--input-step", "1", "-o", "x.json") == 2
    assert "--to finn" in capsys.readouterr().err and not (tmp_path / "x.json").exists()


def test_the_time_left_of_a_warm_sweep_is_of_its_own_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    @contextmanager
    def watched(trials: int, epochs: int, **_: Any) -> Iterator[Listener]:
        asked.append(epochs)
        yield Listener()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "watch", watched)
    monkeypatch.setattr(sweep_module, "run", stopped)
    assert call(monkeypatch, "sweep", "--bits", "2:8", "--warm", "3") == 130
    assert asked == [3]


def test_an_export_for_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "folding.json"
    assert call(monkeypatch, "export", "tfc-w1a1", "-o", str(file), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    nodes = len(json.loads(file.read_text())) - 1
    assert told == {"form": "finn", "files": [{"file": str(file), "holds": f"{nodes} nodes"}]}


def test_an_unknown_command_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for word, said in (("sweeep", "do you mean sweep?"), ("zzz", "known: estimate, train")):
        assert call(monkeypatch, word) == 2
        assert said in capsys.readouterr().err
