"""Completion of commands, flags and parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwcost.cli import cli
from hwcost.models import devices


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", shell], standalone_mode=False)
    assert "_HWCOST_COMPLETE" in capsys.readouterr().out


def completed(words: str) -> set[str]:
    environment = os.environ | {
        "_HWCOST_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    hwcost = Path(sys.executable).with_name("hwcost")
    told = subprocess.run([hwcost], env=environment, capture_output=True, text=True, check=True)
    return {line.partition(",")[2] for line in told.stdout.splitlines()}


@pytest.mark.slow
def test_tab_completes_commands_flags_and_parts() -> None:
    assert completed("hwcost s") == {"sweep"}
    assert {"--device", "--config", "--json"} <= completed("hwcost estimate --")
    parts = {name for part in devices() for name in (part.name, *part.aliases)}
    assert completed("hwcost estimate --device ZC") == {name for name in parts if name.startswith("ZC")}
