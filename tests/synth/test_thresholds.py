"""Thresholds in RTL: written or constant, one by one or as a search."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from amaranth.hdl import signed
from amaranth.sim import Simulator, SimulatorContext
from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit
from hwcost.synth.thresholds import reached


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="thresholds", input="INT8", output="UINT2", structure="parallel", geometry="130"),
        Unit(kind="thresholds", input="UINT6", output="UINT4", structure="search", geometry="30"),
        Unit(
            kind="thresholds", input="INT6", output="UINT2", structure="search", geometry="2", matrix="-9 0 7;-3 -2 30"
        ),
        Unit(
            kind="thresholds", input="INT6", output="UINT2", structure="parallel", geometry="2", matrix="-9 0 7;1 1 1"
        ),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_a_number_passes_as_many_as_it_reaches(unit: Unit) -> None:
    assert prove(unit)


@pytest.mark.parametrize("structure", ["parallel", "search"])
def test_every_number(structure: str) -> None:
    steps, circuit = [-6, -6, -1, 0, 2, 5, 7], Circuit()
    a = circuit.input("a", signed(4))
    circuit.output("y", reached(circuit, a, steps, signed(4), structure))

    async def run(context: SimulatorContext) -> None:
        for number in range(-8, 8):
            context.set(a, number)
            await context.delay(1e-6)
            assert context.get(circuit.outputs["y"]) == sum(number >= step for step in steps)

    simulator = Simulator(circuit.module)
    simulator.add_testbench(run)
    simulator.run()
