"""`hwcost doctor`: report what works on this machine and how to get the rest."""

import json
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import click
from packaging.requirements import Requirement

from hwcost.cli.options import PLACE
from hwcost.errors import BadOption

TRY_S = 120
"""Time limit of one process of --try, in seconds."""

INDENT = 26
"""Characters in front of the detail of a finding."""

TRAIN = """
import os, torch
from hwcost.quant import QuantLinear, learned_weight
QuantLinear(4, 2, bias=False, weight_quant=learned_weight(bits=4))(torch.ones(1, 4)).sum().backward()
print(f"torch {torch.__version__}, {torch.get_num_threads()} of {os.cpu_count()} cores")
"""
"""One training step of a small quantized network."""

ACCELERATE = """
import torch
if not torch.cuda.is_available(): raise SystemExit("PyTorch sees none; training runs on the CPU")
print(f"{torch.cuda.get_device_name(0)}; hwcost sweep --accelerator cuda")
"""

SYNTHESIZE = "from hwcost.synth.yosys import find; print(find(None).name)"
"""Start of the synthesizer that `hwcost verify` would use."""


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        name: name of what was checked; works: whether it can be used; detail: version, or the failure.
        remedy: how to get it; empty where it works.
        needed: whether hwcost cannot run without it.
    """

    name: str
    works: bool
    detail: str
    remedy: str = ""
    needed: bool = False


@click.command("doctor")
@click.argument("study", required=False, type=PLACE)
@click.option("--try", "start", is_flag=True, help="Also train one step and look for an accelerator and a synthesizer.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor_command(study: Path | None, start: bool, as_json: bool) -> None:
    """Report what works on this machine and how to get the rest, or repair the journal of the folder STUDY.

    The versions of all packages are compared with the requirements, and a database is written to the current folder.
    --try also starts PyTorch and the synthesizer, each in its own process, which takes some seconds.

    The exit status is 2 if something fails that hwcost cannot run without; a missing extra is only reported.

    A repair drops the damaged lines of the journal, reports what each of them costs, and keeps the damaged file.

    \b
    Example:
      hwcost doctor --try
      hwcost doctor reports/digits
    """
    if study is not None:
        _repair(study, as_json)
        return
    found = list(examine(start=start))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            _print(finding)
        if not start:
            click.echo("not tried: training, accelerator, synthesizer; hwcost doctor --try starts them")
    broken = [finding for finding in found if finding.needed and not finding.works]
    if broken:
        raise BadOption(f"{broken[0].name}: {broken[0].detail}; {broken[0].remedy}")


def _repair(study: Path, as_json: bool) -> None:
    from hwcost.search.storage.repair import repair_journal  # imports Optuna, which nothing else here needs

    repair = repair_journal(study)
    if as_json:
        found = None if repair is None else {"backup": str(repair.backup), "dropped": repair.dropped}
        click.echo(json.dumps({"study": str(study), "repair": found}, indent=2))
    elif repair is None:
        click.echo(f"{study}: every line of the journal is sound")
    else:
        for line in repair.dropped:
            click.echo(f"dropped {line}")
        click.echo(f"repaired; the damaged journal is kept as {repair.backup}")


def _print(finding: Finding) -> None:
    """Print one finding; the remedy has its own line, so that it can be copied."""
    mark, colour = (
        ("works", "green") if finding.works else ("broken", "red") if finding.needed else ("missing", "yellow")
    )
    width = max(40, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(finding.detail, width - INDENT, break_long_words=False, break_on_hyphens=False) or [""]
    click.echo(f"{click.style(f'{mark:8}', fg=colour)}{finding.name:{INDENT - 8}}{lines[0]}")
    for line in lines[1:]:
        click.echo(f"{'':{INDENT}}{line}")
    if finding.remedy:
        click.echo(f"{'':{INDENT}}-> {finding.remedy}")


def examine(*, start: bool) -> Iterator[Finding]:
    """Check everything, the needed first.

    Args:
        start: whether to start PyTorch and the synthesizer too.
    """
    yield Finding("hwcost", True, f"{version('hwcost')} on Python {platform.python_version()}, {platform.system()}")
    yield from _packages()
    yield _storage()
    if start:
        yield _started("training", TRAIN, "pip install -U torch numpy", needed=True)
        yield _started("accelerator", ACCELERATE, "see pytorch.org/get-started")
        yield _started("synthesizer", SYNTHESIZE, "pip install 'hwcost[synth]'")


def _packages() -> Iterator[Finding]:
    """Compare the requirements of the installed hwcost: one finding for the needed ones and one for each extra."""
    extras: dict[str, list[Requirement]] = {}
    for text in requires("hwcost") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            extras.setdefault("", []).append(requirement)
            continue
        for extra in _extras():
            if marker.evaluate({"extra": extra}) and requirement.name != "hwcost":
                extras.setdefault(extra, []).append(requirement)
    for extra, requirements in extras.items():
        lacking = [text for text in map(_lacking, requirements) if text]
        name = f"extra {extra}" if extra else "packages"
        remedy = f"pip install 'hwcost[{extra}]'" if extra else "pip install -U hwcost"
        have = ", ".join(f"{one.name} {version(one.name)}" for one in requirements) if not lacking else ""
        yield Finding(name, not lacking, "; ".join(lacking) or have, remedy if lacking else "", needed=not extra)


def _extras() -> list[str]:
    return metadata("hwcost").get_all("Provides-Extra") or []


def _lacking(requirement: Requirement) -> str:
    """Fault of an installed package, empty if there is none."""
    try:
        have = version(requirement.name)
    except PackageNotFoundError:
        return f"no {requirement.name}"
    return "" if requirement.specifier.contains(have, prereleases=True) else f"{requirement} required, {have} installed"


def _storage() -> Finding:
    """Write a database like that of a study in the current folder."""
    try:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            with sqlite3.connect(Path(folder) / "try.db") as connection:
                mode = connection.execute("pragma journal_mode=wal").fetchone()[0]
            connection.close()
    except (OSError, sqlite3.Error) as error:
        return Finding(
            "storage", False, f"{Path.cwd()}: {error}", "change to a folder that you may write to", needed=True
        )
    return Finding("storage", True, f"SQLite {sqlite3.sqlite_version} here, journal mode {mode}", needed=True)


def _started(name: str, script: str, remedy: str, *, needed: bool = False) -> Finding:
    """Run a script in its own process, which may crash; its last line of output becomes the detail."""
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=TRY_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, False, str(error), remedy, needed)
    works = ended.returncode == 0
    said = (ended.stdout if works else ended.stderr).strip().splitlines()
    detail = said[-1] if said else f"the process ended with status {ended.returncode}"
    return Finding(name, works, detail, "" if works else remedy, needed)
