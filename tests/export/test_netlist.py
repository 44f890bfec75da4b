"""A netlist layer by layer: stages, delays, and ports side by side."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("amaranth", reason="amaranth is not installed: no Verilog was written; pip install 'hwcost[synth]'")


from amaranth.hdl import Signal
from amaranth.sim import Simulator, SimulatorContext

from hwcost.errors import UnknownOperation
from hwcost.export.netlist import Netlist, Port, Stream
from hwcost.graph.ranges import binary, integers
from hwcost.integer.meaning import Meaning
from hwcost.synth.circuit import Circuit
from hwcost.synth.number import Number, constant, product

MEANING = Meaning(step=torch.ones(()).double(), offset=torch.zeros(()).double())


def clocked(netlist: Netlist, y: Signal, x: int, cycles: int) -> int:
    """What leaves that many cycles behind an input."""
    seen: list[int] = []

    async def run(context: SimulatorContext) -> None:
        assert netlist.x is not None
        context.set(netlist.x, x)
        await context.tick()
        context.set(netlist.x, 0)
        for _ in range(cycles - 1):
            await context.tick()
        seen.append(context.get(y))

    simulator = Simulator(netlist.module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    return seen[0]


def test_integers_stand_side_by_side_and_each_stage_takes_a_cycle() -> None:
    netlist = Netlist(structure="search")
    source = netlist.enter(2, integers(4, signed=True), MEANING)
    assert source.cycles == 0 and netlist.entered is not None and netlist.entered.bits == 4

    def rows(circuit: Circuit, x: list[Number]) -> list[Number]:
        return [product(circuit, row, x) for row in ((1, 2), (-3, 1))]

    sums = netlist.stage("fc", rows, source)
    late = netlist.delayed("fc", sums, 3)
    assert (sums.cycles, late.cycles) == (1, 3)
    left, y = netlist.leave(late)
    width = len(y) // 2
    found = clocked(netlist, y, (-5 & 15) | 3 << 4, left.cycles)
    lanes = [found & (1 << width) - 1, found >> width]
    assert [lane - (lane >> width - 1 << width) for lane in lanes] == [-5 + 6, 15 + 3]


def test_factors_are_taken_up_before_a_number_leaves() -> None:
    netlist = Netlist(structure="search")
    (x,) = netlist.enter(1, integers(3, signed=False), MEANING).numbers
    left, y = netlist.leave(Stream([Number(code=x.code, low=0, high=7, gain=-3, offset=5), constant(2)], 0))
    assert left.cycles == 1 and all(number.plain for number in left.numbers)
    width = len(y) // 2
    found = clocked(netlist, y, 7, 1)
    assert found & (1 << width) - 1 == (5 - 21) % (1 << width) and found >> width == 2


def test_names_are_new_identifiers_and_one_port_enters() -> None:
    netlist = Netlist(structure="search")
    source = netlist.enter(1, integers(3, signed=False), MEANING)
    for name in ("conv.1", "conv_1", "0.fc", "conv.1"):
        netlist.stage(name, lambda circuit, x: x, source)
    assert netlist.names == {"conv_1", "conv_1_2", "layer_0_fc", "conv_1_3"}
    with pytest.raises(UnknownOperation, match="a second quantizer of the float input; put one QuantIdentity in front"):
        netlist.enter(1, integers(3, signed=False), MEANING)
    _, y = netlist.leave(source)
    assert clocked(netlist, y, 0, 1) == 0


def test_a_bipolar_port_has_one_bit() -> None:
    assert Port(count=3, wire=binary(), meaning=MEANING).bits == 1
