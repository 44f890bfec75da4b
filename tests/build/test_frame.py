"""Words of elements, and an element in the code of another wire."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch
from amaranth.hdl import Const
from amaranth.sim import Simulator, SimulatorContext

from hwcost.build.frame import Frame, coded, split, still
from hwcost.graph.ranges import Range, binary, integers
from hwcost.synth.circuit import Circuit, shape_of


def value_of(circuit: Circuit, name: str) -> int:
    found: list[int] = []

    async def look(context: SimulatorContext) -> None:
        await context.delay(1e-6)
        found.append(context.get(circuit.outputs[name]))

    simulator = Simulator(circuit.module)
    simulator.add_testbench(look)
    simulator.run()
    return found[0]


@pytest.mark.parametrize(
    ("source", "sink", "value", "shift", "wanted"),
    [
        (integers(4, signed=True), integers(6, signed=True), -5, 0, -5),
        (integers(4, signed=True), integers(3, signed=True), -5, 1, -3),
        (integers(3, signed=False), integers(5, signed=True), 6, 0, 6),
        (binary(), integers(3, signed=True), 0, 0, -1),
        (binary(), integers(3, signed=True), 1, 0, 1),
        (binary(), binary(), 0, 0, 0),
    ],
)
def test_an_element_keeps_its_value_in_another_code(
    source: Range, sink: Range, value: int, shift: int, wanted: int
) -> None:
    circuit = Circuit()
    shape = shape_of(sink)
    found = coded(Const(value, shape_of(source)), source, sink, shift)
    circuit.output("y", found.as_signed() if shape.signed else found)
    assert value_of(circuit, "y") == wanted and len(found) == shape.width


def test_a_word_is_split_from_its_lowest_bits() -> None:
    wire = integers(3, signed=True)
    parts = split(Const(0b111_001, 6), 2, wire)
    circuit = Circuit()
    for name, part in zip("ab", parts, strict=True):
        circuit.output(name, part)
    assert (value_of(circuit, "a"), value_of(circuit, "b")) == (1, -1)


def test_streams_are_ports() -> None:
    frame = Frame()
    frame.enter(2, integers(3, signed=False)), frame.enter(1, integers(3, signed=False))
    frame.leave(4, integers(2, signed=False))
    assert {*frame.circuit.inputs} == {"s_data", "s_valid", "s1_data", "s1_valid", "m_ready"}
    assert {*frame.circuit.outputs} == {"s_ready", "s1_ready", "m_data", "m_valid"}
    assert len(frame.leaving[0].data) == 8


def test_a_still_range_is_the_widest_without_gradient() -> None:
    bits = torch.tensor([2.0, 5.0], dtype=torch.float64, requires_grad=True)
    wire = still(integers(bits, signed=False))
    assert (int(wire.high), int(wire.bits), wire.high.requires_grad) == (31, 5, False)
