"""Integers on wires: factors and offsets stay out of the logic until somebody reads them."""

from __future__ import annotations

from itertools import product

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from collections.abc import Callable

from amaranth.hdl import Signal, signed
from amaranth.sim import Simulator, SimulatorContext

from hwcost.models.calibration.corpus import wire
from hwcost.synth.circuit import Circuit, bits_of, shape_of
from hwcost.synth.number import (
    Number,
    activation,
    clipped,
    constant,
    entering,
    products,
    shifted,
    whole,
    wrapped,
)
from hwcost.synth.number import (
    product as dot,
)


def every(build: Callable[[Circuit, list[Number]], Number], wanted: Callable[..., int], *wires: str) -> None:
    """Hold what is built against integers, on every combination of inputs."""
    circuit = Circuit()
    ports = [circuit.input(f"x{at}", shape_of(wire(name))) for at, name in enumerate(wires)]
    found = build(circuit, [entering(port, wire(name)) for port, name in zip(ports, wires, strict=True)])
    circuit.output("y", found.code)
    low, high = found.bounds()
    ranges = [(-1, 1) if name == "BIPOLAR" else range(int(wire(name).low), int(wire(name).high) + 1) for name in wires]

    async def run(context: SimulatorContext) -> None:
        for numbers in product(*ranges):
            for port, number, name in zip(ports, numbers, wires, strict=True):
                context.set(port, int(number > 0) if name == "BIPOLAR" else number)
            await context.delay(1e-6)
            value = found.gain * context.get(circuit.outputs["y"]) + found.offset
            assert value == wanted(*numbers) and low <= value <= high

    simulator = Simulator(circuit.module)
    simulator.add_testbench(run)
    simulator.run()


@pytest.mark.parametrize("wires", [("INT3", "UINT2"), ("BIPOLAR", "INT3")])
@pytest.mark.parametrize("row", [(3, -5), (-4, 6), (-2, -2), (0, 7), (0, 0)])
def test_products_that_share(row: tuple[int, int], wires: tuple[str, str]) -> None:
    rows = [row, (3, -5), (-row[0], row[1])]

    def last(circuit: Circuit, x: list[Number]) -> Number:
        return products(circuit, rows, [*x, constant(2)], [0, 0, 9])[2]

    rows = [(*one, 4) for one in rows]
    every(last, lambda a, b: -row[0] * a + row[1] * b + 17, *wires)


@pytest.mark.parametrize("wires", [("INT3", "UINT2"), ("BIPOLAR", "INT3"), ("BIPOLAR", "BIPOLAR")])
@pytest.mark.parametrize("row", [(3, -5), (4, 6), (-2, -2), (0, 7), (0, 0)])
def test_products(row: tuple[int, int], wires: tuple[str, str]) -> None:
    every(lambda circuit, x: dot(circuit, row, x, 9), lambda a, b: row[0] * a + row[1] * b + 9, *wires)


def test_what_all_constants_share_is_left_out_of_the_sum() -> None:
    circuit, x = Circuit(), [entering(Signal(2), wire("UINT2"))] * 2
    found = dot(circuit, [12, -18], x)
    assert (found.gain, found.low, found.high) == (6, -9, 6)
    assert dot(circuit, [-4, -8], x).gain == -4 and dot(circuit, [0, 0], x, 3).bounds() == (3, 3)
    assert circuit.rtlil()


@pytest.mark.parametrize("structure", ["search", "parallel"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("steps", [(-30, -4, 1, 5, 90), (2,), (-90, 90)])
def test_activations(steps: tuple[int, ...], sign: int, structure: str) -> None:
    """Steps that are always or never passed are constants."""

    def build(circuit: Circuit, x: list[Number]) -> Number:
        number = Number(code=x[0].code, low=-4, high=3, gain=-3, offset=2)
        return activation(circuit, number, steps, sign=sign, lowest=-1, gap=2, structure=structure)

    every(build, lambda a: -1 + 2 * sum(sign * (2 - 3 * a) >= step for step in steps), "INT3")


@pytest.mark.parametrize("gain", [1, -1, 3, -5])
def test_whole_clipped_wrapped_and_shifted(gain: int) -> None:
    def number(x: list[Number]) -> Number:
        return Number(code=x[0].code, low=-4, high=3, gain=gain, offset=2)

    every(lambda circuit, x: whole(circuit, number(x)), lambda a: gain * a + 2, "INT3")
    every(lambda circuit, x: clipped(circuit, number(x), -3, 5), lambda a: min(max(gain * a + 2, -3), 5), "INT3")
    every(lambda circuit, x: clipped(circuit, number(x), 50, 60), lambda a: 50, "INT3")
    every(lambda circuit, x: wrapped(circuit, number(x), -4, 3), lambda a: (gain * a + 6) % 8 - 4, "INT3")
    every(lambda circuit, x: shifted(circuit, number(x), 2), lambda a: (gain * a + 2) >> 2, "INT3")


def test_a_constant_is_known() -> None:
    assert constant(-5).known and constant(-5).plain and constant(-5).bounds() == (-5, -5)
    assert bits_of(-5, -5) == signed(4)
