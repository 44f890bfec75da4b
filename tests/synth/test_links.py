"""What connects units, in RTL: no word is lost, doubled or out of order, whatever the pauses."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from amaranth.sim import Simulator, SimulatorContext
from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.models.folding.word_fifos import RING_CYCLES
from hwcost.synth.links import fifo


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="converter", structure="up", geometry="3x5"),
        Unit(kind="converter", structure="down", geometry="4x3"),
        Unit(kind="fifo", structure="srl", geometry="5x4"),
        Unit(kind="fifo", structure="srl", geometry="1x4"),
        Unit(kind="fifo", structure="bram18", geometry="16x9"),
        Unit(kind="copy", geometry="3"),
        Unit(kind="concat", input="UINT3", pe=2, geometry="3"),
        Unit(kind="label", input="INT5", pe=1, geometry="7"),
        Unit(kind="label", input="UINT3", pe=2, geometry="8"),
        Unit(kind="label", input="INT4", pe=4, geometry="4"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_words_arrive_whole_and_in_order(unit: Unit) -> None:
    assert prove(unit)


@pytest.mark.parametrize(("structure", "wanted"), [("srl", 1), ("bram18", RING_CYCLES)])
def test_cycles_of_a_word_through_a_fifo(structure: str, wanted: int) -> None:
    circuit = fifo(Unit(kind="fifo", structure=structure, geometry="512x4"), "xcup")
    seen: list[int] = []

    async def run(context: SimulatorContext) -> None:
        context.set(circuit.inputs["in_valid"], 1)
        for _ in range(4):
            seen.append(context.get(circuit.outputs["out_valid"]))
            await context.tick()

    simulator = Simulator(circuit.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert seen.index(1) == wanted


@pytest.mark.parametrize("geometry", ["2x3", "5x4", "8x2"])
def test_without_shift_registers_a_small_fifo_is_a_ring(geometry: str) -> None:
    assert prove(Unit(kind="fifo", structure="srl", geometry=geometry), family="ecp5")
