"""Products with constants in RTL: signed digits, tables of few bits, and sums as wide as they must be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import rtl_simulation as simulation
from amaranth.hdl import signed
from amaranth.sim import Simulator, SimulatorContext
from rtl_simulation import WrongCircuit, prove

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit
from hwcost.synth.constant import build, cut, digits


def test_a_wrong_circuit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a unit built for another matrix."""
    unit = Unit(kind="constant", input="UINT4", matrix="3 -5;1 2")
    right = simulation.build(replace(unit, matrix="3 -4;1 2"))
    monkeypatch.setattr(simulation, "build", lambda unit, family: right)
    with pytest.raises(WrongCircuit, match="instead of"):
        prove(unit)


@pytest.mark.parametrize("weight", [*range(-40, 41), 1023, -1024])
def test_signed_digits_add_up_and_never_touch(weight: int) -> None:
    found = digits(weight)
    assert sum(sign << shift for shift, sign in found) == weight
    assert all(later - earlier > 1 for (earlier, _), (later, _) in pairwise(found))


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="constant", input="UINT2", matrix="3 -5;1 0"),
        Unit(kind="constant", input="INT3", matrix="-7 -7;7 -6"),
        Unit(kind="constant", input="INT6", matrix="0 0 0 0;1 2 4 8;-96 3 17 -5;-1 -1 -1 -1"),
        Unit(kind="constant", input="UINT8", matrix="127 -127 64 1 1 85"),
        Unit(kind="constant", structure="shared", input="UINT4", matrix="3 -5 7;3 -5 -7;0 0 0;-3 5 1"),
        Unit(kind="constant", structure="shared", input="INT3 UINT5 UINT1", matrix="85 -3 6;-85 3 12;85 3 0;0 0 -1"),
        Unit(kind="constant", structure="shared", input="INT4", matrix="-11 22 44 7;11 -22 -44 9;5 10 20 40;1 0 0 0"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_tables_and_trees(unit: Unit) -> None:
    assert prove(unit, vectors=12)


def test_inputs_of_several_widths_are_for_rows_that_share() -> None:
    with pytest.raises(BadOption, match="2 input wires need structure 'shared'"):
        build(Unit(kind="constant", input="UINT2 UINT3", matrix="1 1"), "xcup")


def test_a_value_is_cut_to_a_code() -> None:
    circuit = Circuit()
    a = circuit.input("a", signed(6))
    circuit.output("narrow", cut(a, signed(3)))
    circuit.output("wide", cut(a, signed(9)))

    async def run(context: SimulatorContext) -> None:
        for number in range(-32, 32):
            context.set(a, number)
            await context.delay(1e-6)
            assert context.get(circuit.outputs["wide"]) == number
            assert context.get(circuit.outputs["narrow"]) == (number + 4) % 8 - 4

    simulator = Simulator(circuit.module)
    simulator.add_testbench(run)
    simulator.run()
