"""Circuits: codes of ranges, sums that are as wide as they have to be, ports."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from amaranth.hdl import Const, Shape, signed, unsigned

from hwcost.graph.ranges import binary, integers
from hwcost.synth.circuit import Circuit, bits_of, shape_of, tree


@pytest.mark.parametrize("low", range(-9, 4))
def test_the_smallest_code_of_a_range(low: int) -> None:
    for high in range(low, 10):
        shape = bits_of(low, high)
        fits = [
            bits
            for bits in range(1, 8)
            if (low >= 0 and high < 2**bits) or (low < 0 and -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1))
        ]
        assert (shape.width, shape.signed) == (fits[0], low < 0)


def test_wires_as_shapes() -> None:
    assert shape_of(integers(5, signed=True)) == signed(5) and shape_of(integers(5, signed=False)) == unsigned(5)
    assert shape_of(binary()) == unsigned(1)


@pytest.mark.parametrize("terms", range(1, 10))
def test_a_tree_holds_the_largest_sum(terms: int) -> None:
    total = tree([Const(15, 4)] * terms)
    assert Shape.cast(total.shape()).width >= (15 * terms).bit_length()  # type: ignore[union-attr] # a value
    assert Shape.cast(total.shape()).width <= 4 + (terms - 1).bit_length()  # type: ignore[union-attr]


def test_ports_are_those_of_the_module_top() -> None:
    circuit = Circuit()
    x = circuit.input("x", 4)
    circuit.output("plain", x + 1)
    circuit.output("held", circuit.node(x), enable=x[0])
    text = circuit.rtlil()
    assert "module \\top" in text
    for name, kind in (("x", "input"), ("plain", "output"), ("held", "output"), ("clk", "input")):
        assert any(f" {kind} " in line and line.endswith(f"\\{name}") for line in text.splitlines()), name
    assert len(circuit.outputs["plain"]) == 5 and circuit.nodes == 1
