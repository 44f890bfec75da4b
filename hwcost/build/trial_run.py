"""Check of an accelerator: frames at full pace, one every interval, with random pauses; measured next to priced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from hwcost.build import verilator
from hwcost.build.accelerator import Accelerator
from hwcost.build.golden import Golden
from hwcost.build.simulation import Pauses, Trace, patience, simulate
from hwcost.errors import BadOption

SIMULATORS = ("auto", "verilator", "amaranth")
"""Names of simulators: "auto" takes Verilator where one is installed, else the simulator that comes with us."""

PAUSES = Pauses(offered=70, taken=60)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """Cycles of a pipeline, as priced."""

    interval_cycles: int
    latency_cycles: int


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Result of a simulation.

    Attributes:
        simulator: that ran.
        frames, words: compared with the integer network, under random pauses.
        interval_cycles, latency_cycles: at full pace.
        priced: the same as priced.
        fifos: stream -> (words as priced, most that it held while a frame came every interval).
    """

    simulator: str
    frames: int
    words: int
    interval_cycles: float
    latency_cycles: int
    priced: Priced
    fifos: Mapping[str, tuple[int, int]]

    def record(self) -> dict[str, object]:
        """Plain data, for JSON."""
        return {
            "simulator": self.simulator,
            "frames": self.frames,
            "words": self.words,
            "interval_cycles": self.interval_cycles,
            "priced_interval_cycles": self.priced.interval_cycles,
            "latency_cycles": self.latency_cycles,
            "priced_latency_cycles": self.priced.latency_cycles,
            "fifos": {name: {"depth": depth, "high_water": high} for name, (depth, high) in self.fifos.items()},
        }


def check(
    made: Accelerator, golden: Golden, files: Mapping[str, str], priced: Priced, *, simulator: str = "auto"
) -> Checked:
    """Simulate an accelerator.

    Args:
        made: the accelerator.
        golden: its frames.
        files: its Verilog with the test bench and the vectors.
        priced: what the models say.
        simulator: one of SIMULATORS.

    Raises:
        WrongHardware, Deadlock: as `simulation.simulate`. BadOption: no such simulator here.
    """
    if simulator not in SIMULATORS:
        raise BadOption(f"simulator {simulator!r}: unknown; choose one of {', '.join(SIMULATORS)}")
    command = verilator.find() if simulator != "amaranth" else None
    if simulator == "verilator" and command is None:
        raise BadOption(
            "simulator 'verilator': no Verilator 5 with make and g++ is installed; apt-get install verilator g++ make, "
            "or choose 'amaranth'"
        )
    paced = min(golden.frames, ceil(priced.latency_cycles / priced.interval_cycles) + 8)
    quiet = patience(priced.latency_cycles)
    steady = Pauses(every=priced.interval_cycles)
    if command is None:
        free = simulate(made, golden.first(paced), Pauses(), quiet)
        even = simulate(made, golden.first(paced), steady, quiet)
        slow = simulate(made, golden, PAUSES, quiet)
    else:
        with TemporaryDirectory(prefix="hwcost-build-") as folder:
            program = verilator.compiled(command, files, Path(folder))
            free = program.run(made, Pauses(), frames=paced, quiet=quiet)
            even = program.run(made, steady, frames=paced, quiet=quiet)
            slow = program.run(made, PAUSES, frames=golden.frames, quiet=quiet)
    return Checked(
        simulator="amaranth" if command is None else "verilator",
        frames=golden.frames,
        words=slow.words,
        interval_cycles=free.interval_cycles,
        latency_cycles=free.latency_cycles,
        priced=priced,
        fifos=_held(made, even),
    )


def _held(made: Accelerator, seen: Trace) -> dict[str, tuple[int, int]]:
    return {probe.name: (probe.depth, seen.levels[probe.name]) for probe in made.probes if probe.level is not None}
