"""The group of commands: help, version, examples, near misses, and what the page of the command line says."""

from __future__ import annotations

import errno
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_line import ROOT, Hwcost, command, flags, refused

from hwcost.cli import COMMANDS, STATUSES, cli, doctor


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_has_an_example(hwcost: Hwcost, command: tuple[str, ...]) -> None:
    ended = hwcost(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "Usage: hwcost" in ended.out and "\\b" not in ended.out
    if command != ():
        assert f"hwcost {command[0]} " in ended.out.split("Example:")[1]


def test_without_a_command_it_helps(hwcost: Hwcost) -> None:
    assert hwcost() == hwcost("--help")
    assert "130 interrupted" in " ".join(hwcost().out.split())


def test_version(hwcost: Hwcost) -> None:
    ended = hwcost("--version")
    assert ended.status == 0 and "hwcost" in ended.out


PAGE = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")


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


def test_an_unknown_command_names_the_nearest(hwcost: Hwcost) -> None:
    for word, said in (("sweeep", "did you mean sweep?"), ("zzz", "known: estimate, train")):
        refused(hwcost(word), said)


def test_an_unknown_flag_names_the_help(hwcost: Hwcost) -> None:
    refused(hwcost("estimate", "--quiet"), "No such option '--quiet'; see `hwcost estimate --help`")


def test_listing_the_commands_imports_none() -> None:
    asked = (
        "import sys, click, hwcost.cli as c; print(c.cli.get_help(click.Context(c.cli))); "
        "print({one.where.partition(':')[0] for one in c.COMMANDS.values()} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert told.endswith("set()\n") and all(name in told for name in COMMANDS)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "study/x"), "study/x: No space left on device"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "study"), "study: Permission denied"),
        (MemoryError(), "out of memory"),
    ],
)
def test_the_machine_refuses_in_one_line(
    hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command("devices"), "callback", refuse)
    refused(hwcost("devices"), said)


@pytest.mark.parametrize("module", ["click", "torch"])
def test_ctrl_c_during_an_import_is_no_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("raise KeyboardInterrupt")
    code = "import sys; sys.argv = ['hwcost', 'estimate']; from hwcost.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.strip()) == (130, "hwcost: interrupted")


class Terminal(io.StringIO):
    """As far as anybody asks."""

    def isatty(self) -> bool:
        return True


def test_no_color_is_respected(hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *, start: [doctor.Finding("all", True, "is well")])
    for value, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", value)
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        assert hwcost("doctor").status == 0
        assert "is well" in screen.getvalue() and ("\x1b[" in screen.getvalue()) == coloured
