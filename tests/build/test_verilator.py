"""The test bench in Verilator sees what Amaranth's simulator sees."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import built, folded, traced

from hwcost.build import verilator
from hwcost.build.golden import drawn, golden
from hwcost.build.simulation import Deadlock, Pauses, WrongHardware, simulate
from hwcost.build.verilator import SimulatorFailed, read
from hwcost.build.verilog import bench, verilog
from hwcost.synth.yosys import find


@pytest.mark.slow
@pytest.mark.skipif(verilator.find() is None, reason="no Verilator 5 with make and g++; apt-get install verilator")
def test_both_simulators_count_the_same_cycles_and_words(tmp_path: Path) -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    frames = golden(made, drawn(made, 20))
    command = verilator.find()
    assert command is not None
    program = verilator.compiled(command, verilog(made, "net", find()) | bench(made, "net", frames), tmp_path)
    assert program.run(made, Pauses(50, 50), frames=20, quiet=5000).words == len(frames.wanted)
    for pauses in (Pauses(), Pauses(every=200)):
        fast = program.run(made, pauses, frames=6, quiet=5000)
        slow = simulate(made, frames.first(6), pauses, 5000)
        assert (fast.levels, fast.latency_cycles, fast.interval_cycles) == (
            slow.levels,
            slow.latency_cycles,
            slow.interval_cycles,
        )


def test_what_the_bench_prints_is_read() -> None:
    pipeline = traced("dense")
    made = built(pipeline, folded(pipeline, 40))
    held = [place for place, probe in enumerate(made.probes) if probe.level is not None]
    levels = [f"level {place} 3" for place in range(len(made.probes))]
    seen = read(made, ["frame 0 2 40", *levels, "PASS: 6 words, 0 wrong"])
    assert (seen.frames, seen.words, len(seen.levels)) == (((2, 40),), 6, len(held))
    with pytest.raises(WrongHardware, match="frame 2, word 1: 0x0f instead of 0x0e"):
        read(made, ["wrong 2 1 0f 0e"])
    with pytest.raises(Deadlock, match=made.probes[0].name):
        read(made, [f"stuck 0 {0b0101} 4", *(f"stuck {place} 0 0" for place in range(1, len(made.probes)))])
    with pytest.raises(SimulatorFailed, match="without a verdict"):
        read(made, ["frame 0 2 40"])
