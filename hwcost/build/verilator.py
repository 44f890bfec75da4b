"""Verilator, and the test bench in it: for frames by the thousand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwcost.build.accelerator import Accelerator
from hwcost.build.simulation import Deadlock, Pauses, Trace, WrongHardware, blocked
from hwcost.errors import HwcostError

LEAST_VERSION = (5, 0)
"""The first version that runs a test bench with a clock of its own."""

FLAGS = (
    "--binary",
    "--timing",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
)


class SimulatorFailed(HwcostError):
    """Verilator or the program that it made ended with an error; the message has its last words."""


def find() -> str | None:
    """The command of a Verilator that is recent enough, with the compiler that it needs; None without one."""
    command = shutil.which("verilator")
    if command is None or shutil.which("make") is None or shutil.which("g++") is None:
        return None
    said = subprocess.run(
        (command, "--version"), capture_output=True, text=True, check=False, timeout=60
    ).stdout.split()
    try:
        version = tuple(int(part) for part in said[1].split("."))
    except (IndexError, ValueError):
        return None
    return command if version >= LEAST_VERSION else None


@dataclass(frozen=True)
class Program:
    """A compiled test bench.

    Attributes:
        folder: with the program and its vectors.
    """

    folder: Path

    def run(self, made: Accelerator, pauses: Pauses, *, frames: int, quiet: int, limit_s: float = 3600.0) -> Trace:
        """Run frames through it; arguments and errors as `simulation.simulate`, and `frames` of the golden ones.

        Raises:
            WrongHardware, Deadlock: as there. SimulatorFailed: it crashed.
        """
        told = {"frames": frames, "quiet": quiet} | vars(pauses)
        given = (f"+{name}={value}" for name, value in told.items())
        said = _said((str(self.folder / "obj_dir" / "Vbench"), *given), self.folder, limit_s)
        return read(made, said.splitlines())


def compiled(command: str, files: Mapping[str, str], folder: Path, *, limit_s: float = 1800.0) -> Program:
    """Compile a test bench.

    Args:
        command: from `find`.
        files: Verilog and vectors, name -> content; with the test bench.
        folder: where everything is put.
        limit_s: seconds that it may take.

    Raises:
        SimulatorFailed: with the last line of what was said.
    """
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    sources = sorted(name for name in files if name.endswith(".v"))
    _said((command, *FLAGS, "--top-module", "bench", *sources), folder, limit_s)
    return Program(folder)


def _said(command: Sequence[str], folder: Path, limit_s: float) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise SimulatorFailed(f"{Path(command[0]).name}: not done after {limit_s:g} s; simulate fewer frames") from None
    except OSError as error:
        raise SimulatorFailed(f"{command[0]}: {error}") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        told = next((line for line in lines if "%Error" in line), lines[-1] if lines else "no output")
        raise SimulatorFailed(f"{Path(command[0]).name}: {told}")
    return done.stdout


def read(made: Accelerator, lines: Sequence[str]) -> Trace:
    """Read what the test bench printed.

    Raises:
        WrongHardware, Deadlock: as `simulation.simulate`.
    """
    rows = [line.split() for line in lines]
    for row in rows:
        if row[:1] == ["wrong"]:
            raise WrongHardware(f"frame {row[1]}, word {row[2]}: 0x{row[3]} instead of 0x{row[4]}")
        if row[:1] == ["last"]:
            raise WrongHardware(f"frame {row[1]}: its last word is not marked as such (tlast), at word {row[2]}")
    stuck = [(made.probes[int(row[1])], int(row[2]), int(row[3])) for row in rows if row[:1] == ["stuck"]]
    if stuck:
        raise Deadlock(blocked(stuck))
    ended = [row for row in rows if row[:1] == ["PASS:"]]
    if not ended:
        raise SimulatorFailed("the test bench ended without a verdict")
    frames = tuple((int(row[2]), int(row[3])) for row in rows if row[:1] == ["frame"])
    high = {int(row[1]): int(row[2]) for row in rows if row[:1] == ["level"]}
    levels = {probe.name: high[place] for place, probe in enumerate(made.probes) if probe.level is not None}
    return Trace(frames=frames, levels=levels, words=int(ended[0][1]))
