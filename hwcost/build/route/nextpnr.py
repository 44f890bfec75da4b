"""Any of the nextpnr programs as the router: run with a time limit, its report and its placed netlist read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

from hwcost.build.route.flow import AREAS, JOINT, Cell, Heard, Hop, MissingRouter, Netlist, Routed, RoutingFailed
from hwcost.models.device import Device

STAGES = {
    "Packing constants": "packing",
    "Running main analytical placer": "placing",
    "Running simulated annealing placer": "refining the placement",
    "Routing": "routing",
    "Program finished": "done",
}
"""Beginning of a line of the log -> what is going on."""

PLACE = re.compile(r"X(\d+)/Y(\d+)/")
"""Tile in the name of a site."""

ADDED = "$nextpnr"
"""Beginning of the names of cells that the router adds to the ends of carry chains."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Python package that brings programs as WebAssembly.

    Attributes:
        name: of the distribution.
        module: with a function run_PROGRAM for each.
    """

    name: str
    module: str

    def command(self, program: str) -> tuple[str, ...]:
        """Beginning of a command that runs one of the programs in a process of its own."""
        run = f"import sys, {self.module} as m; sys.exit(m.run_{program.replace('-', '_')}(sys.argv[1:]))"
        return (sys.executable, "-c", run)

    @property
    def version(self) -> str | None:
        """Version of the distribution; None where it is not installed."""
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None


@dataclass(frozen=True, kw_only=True)
class Nextpnr:
    """The nextpnr program of one family.

    Attributes:
        program: its name.
        package: that brings it and the packer.
        install: the line that installs the package.
        arguments: part -> what names it on the command line, and the options that all runs have.
        pin_count: part -> pins for signals.
        placed: kind of a placed cell -> resource.
        made: option for the design that the packer reads, and the name of its file.
        packer: program of the package, its arguments; the last is the file that it makes. Empty for none.
    """

    program: str
    package: Package
    install: str
    arguments: Callable[[Device], tuple[str, ...]]
    pin_count: Callable[[Device], int]
    placed: Mapping[str, str]
    made: tuple[str, str]
    packer: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """Program and version."""
        version = self.package.version
        if version is not None:
            return f"{self.program} {version}"
        binary = self._binary()
        said = subprocess.run((binary, "--version"), capture_output=True, text=True, check=False, timeout=60)
        return f"{self.program} {(said.stdout + said.stderr).strip().splitlines()[0]}"

    def command(self, device: Device, seed: int) -> tuple[str, ...]:
        """Arguments; see `Router`."""
        return (*self.arguments(device), "--seed", str(seed))

    def pins(self, device: Device) -> int:
        """Pins for signals."""
        return self.pin_count(device)

    def route(self, netlist: Netlist, device: Device, *, seed: int, limit_s: float, heard: Heard) -> Routed:
        """Place, route and pack; see `Router`."""
        arguments = ["--json", "net.json", *self.command(device, seed), *self.made]
        arguments += ["--report", "report.json", "--write", "placed.json"]
        start = time.monotonic()
        with TemporaryDirectory(prefix="hwcost-route-") as place:
            folder = Path(place)
            (folder / "net.json").write_text(netlist.text, encoding="utf-8")
            self._run(folder, (*self._command(self.program), *arguments), limit_s, heard)
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            placed = json.loads((folder / "placed.json").read_text(encoding="utf-8"))
            files = self._packed(folder, limit_s, heard)
        fmax, path = slowest(report)
        cells = tuple(cells_of(placed, self.placed))
        used = dict.fromkeys(AREAS, 0)
        for kind, area in self.placed.items():
            used[area] += report["utilization"].get(kind, {"used": 0})["used"]
        return Routed(
            seed=seed,
            fmax_mhz=fmax,
            used=used,
            path=path,
            cells=cells,
            seconds=time.monotonic() - start,
            files=files,
        )

    def _packed(self, folder: Path, limit_s: float, heard: Heard) -> dict[str, bytes]:
        """The bitstream; nothing where the programs come from elsewhere and without the packer."""
        if not self.packer or (self.package.version is None and shutil.which(self.packer[0]) is None):
            return {}
        heard("packing a bitstream")
        self._run(folder, (*self._command(self.packer[0]), *self.packer[1:]), limit_s, heard)
        return {self.packer[-1]: (folder / self.packer[-1]).read_bytes()}

    def _command(self, program: str) -> tuple[str, ...]:
        if self.package.version is not None:
            return self.package.command(program)
        self._binary()
        return (program,)

    def _binary(self) -> str:
        binary = shutil.which(self.program)
        if binary is None:
            raise MissingRouter(f"{self.program} is not installed; {self.install}")
        return binary

    def _run(self, folder: Path, command: Sequence[str], limit_s: float, heard: Heard) -> None:
        """Run a program to its end, listening to its log."""
        late, said = False, ""
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:

            def stop() -> None:
                nonlocal late
                late = True
                process.kill()

            timer = Timer(limit_s, stop)
            timer.start()
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    said = line.strip() if "ERROR" in line or not said.startswith("ERROR") else said
                    for beginning, stage in STAGES.items():
                        if line.startswith(f"Info: {beginning}"):
                            heard(stage)
            except BaseException:
                process.kill()
                raise
            finally:
                timer.cancel()
        if late:
            raise RoutingFailed(f"{self.name}: not done after {limit_s:g} s; give it longer with --route-s")
        if process.returncode:
            raise RoutingFailed(f"{self.name} stopped: {said or f'exit status {process.returncode}'}")


def unit_of(cell: str) -> str:
    """The unit that a cell belongs to, by its name."""
    unit, dot, _ = cell.partition(".")
    return unit if dot and not cell.startswith("$") else JOINT


def slowest(report: Mapping[str, Any]) -> tuple[float, tuple[Hop, ...]]:
    """Fmax in MHz, and the path between registers that sets it.

    Raises:
        RoutingFailed: a report without a clock.
    """
    if not report["fmax"]:
        raise RoutingFailed("the report of the router has no clock: the design has no path between registers")
    clock, fmax = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    edge = re.compile(rf"(pos|neg)edge {re.escape(clock)}")
    found = [one for one in report["critical_paths"] if edge.fullmatch(one["from"]) and edge.fullmatch(one["to"])]
    hops, unit = [], JOINT
    for step in found[0]["path"] if found else ():
        name = step["from"]["cell"]
        unit = unit if name.startswith(ADDED) else unit_of(name)
        hops.append(Hop(unit, "routing" if step["type"] == "routing" else "logic", float(step["delay"])))
    return float(fmax["achieved"]), tuple(hops)


def cells_of(placed: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[Cell]:
    """Every cell of a placed netlist that takes a resource, with its unit and its tile.

    A cell that the router added belongs to the unit of the chain that it is connected to; where it has two halves, one
    of them is connected to the other alone.
    """
    cells = next(iter(placed["modules"].values()))["cells"]
    chains = _chains(cells)
    for name, cell in cells.items():
        place = PLACE.match(cell["attributes"].get("NEXTPNR_BEL", ""))
        if cell["type"] in kinds and place is not None:
            unit = chains.get(_stem(name), unit_of(name))
            yield Cell(unit, kinds[cell["type"]], int(place[1]), int(place[2]))


def _chains(cells: Mapping[str, Any]) -> dict[str, str]:
    """Stem of the name of an added cell -> the unit that alone shares a wire with it."""
    readers: dict[int, set[str]] = {}
    for name, cell in cells.items():
        if (unit := unit_of(name)) != JOINT:
            for bit in _wires(cell):
                readers.setdefault(bit, set()).add(unit)
    found: dict[str, str] = {}
    for name, cell in cells.items():
        if name.startswith(ADDED):
            for bit in _wires(cell):
                if len(units := readers.get(bit, set())) == 1:
                    found.setdefault(_stem(name), *units)
    return found


def _stem(name: str) -> str:
    return name.rpartition("$")[0] if name.startswith(ADDED) else ""


def _wires(cell: Mapping[str, Any]) -> Iterator[int]:
    """The wires of a cell, without its constants."""
    return (bit for bits in cell["connections"].values() for bit in bits if isinstance(bit, int))
