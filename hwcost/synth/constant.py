"""RTL of a product with a constant matrix: a balanced tree of adders over the signed digits of each row.

With structure "shared", sums that several rows have in common are built once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from amaranth.hdl import Cat, Const, ShapeLike, ValueLike

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.unrolled.signed_digits import signed_digits
from hwcost.models.unrolled.small_table import Bits, few_bits, truth_tables
from hwcost.synth.circuit import Circuit, bits_of, shape_of
from hwcost.synth.common_terms import shared

SHARED = "shared"
"""Structure of a product whose rows share sums."""


@dataclass(frozen=True, eq=False)
class Node:
    """sign * value * 2^shift, value in low..high."""

    shift: int
    sign: int
    low: int
    high: int
    value: ValueLike


@dataclass(frozen=True, eq=False)
class Operand:
    """A number on a wire.

    Attributes:
        value: its code: unsigned, or two's complement where `low` is below 0.
        low, high: the integers that it can be.
    """

    value: ValueLike
    low: int
    high: int


def build(unit: Unit, family: str) -> Circuit:
    """One output per row of the matrix, y{i}, from x{j}; nothing is registered.

    Raises:
        BadOption: inputs of several widths, for rows that share nothing.
    """
    circuit = Circuit()
    wires, matrix = [wire(name) for name in unit.input.split()], unit.constants
    if len(wires) > 1 and unit.structure != SHARED:
        raise BadOption(f"constant: {len(wires)} input wires need structure {SHARED!r}; give one wire for all columns")
    columns = wires * len(matrix[0]) if len(wires) == 1 else wires
    x = [Operand(circuit.input(f"x{j}", shape_of(one)), int(one.low), int(one.high)) for j, one in enumerate(columns)]
    if unit.structure == SHARED:
        sums = dots(circuit, matrix, x)
    else:
        sums = [dot(circuit, row, x, Bits.of(wires[0])) for row in matrix]
    for i, one in enumerate(sums):
        circuit.output(f"y{i}", one.value)
    return circuit


def dots(circuit: Circuit, matrix: Sequence[Sequence[int]], x: Sequence[Operand]) -> list[Operand]:
    """Dot products with constants that build what they have in common once.

    Args:
        circuit: where they are built.
        matrix: the constants, (outputs, operands).
        x: the operands.
    """
    rows = [
        {(column, shift): sign for column, weight in enumerate(row) for shift, sign in digits(weight)} for row in matrix
    ]
    plan, terms = shared(rows, len(x)), list(x)
    for pair in plan.pairs:
        left, right = (terms[at] for at in (pair.first, pair.second))
        node = add(
            circuit,
            Node(0, 1, left.low, left.high, left.value),
            Node(pair.shift, pair.sign, right.low, right.high, right.value),
        )
        terms.append(Operand(node.value, node.low, node.high))
    return [_added(circuit, [(shift, sign, terms[term]) for (term, shift), sign in row.items()]) for row in plan.rows]


def dot(circuit: Circuit, row: Sequence[int], x: Sequence[Operand], bits: Bits) -> Operand:
    """A dot product with constants: a table where it sees few bits, else a tree.

    Args:
        circuit: where it is built.
        row: the constants, one per operand.
        x: the operands.
        bits: a code that holds each of them.

    Returns:
        The sum, with the bounds that its operands give it.
    """
    low = sum(min(weight * one.low, weight * one.high) for weight, one in zip(row, x, strict=True))
    high = sum(max(weight * one.low, weight * one.high) for weight, one in zip(row, x, strict=True))
    if few_bits(torch.tensor([list(row)]), bits):
        return Operand(_table(row, [one.value for one in x], bits), low, high)
    leaves = [(shift, sign, x[j]) for j, weight in enumerate(row) for shift, sign in digits(weight)]
    return Operand(_added(circuit, leaves).value, low, high)


def _added(circuit: Circuit, leaves: Sequence[tuple[int, int, Operand]]) -> Operand:
    """The sum of shifted and signed operands: neighbours are added, level by level, the lowest shifts first."""
    ordered = sorted(leaves, key=lambda leaf: leaf[0])
    nodes = [Node(shift, sign, one.low, one.high, one.value) for shift, sign, one in ordered]
    while len(nodes) > 1:
        pairs = [nodes[start : start + 2] for start in range(0, len(nodes), 2)]
        nodes = [add(circuit, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    if not nodes:
        return Operand(Const(0, 1), 0, 0)
    (last,) = nodes
    low, high = sorted(last.sign * bound << last.shift for bound in (last.low, last.high))
    return Operand(whole(last), low, high)


def digits(weight: int) -> list[tuple[int, int]]:
    """(shift, sign) of every signed digit of a constant that is not zero."""
    plus, minus = (int(mask) for mask in signed_digits(torch.tensor(weight)))
    return [(shift, 1 if plus >> shift & 1 else -1) for shift in range(64) if (plus | minus) >> shift & 1]


def _table(row: Sequence[int], x: Sequence[ValueLike], bits: Bits) -> ValueLike:
    """Every bit of the result looked up by all input bits at once."""
    code = Cat(wire for wire, weight in zip(x, row, strict=True) if weight)
    masks = truth_tables(tuple(weight for weight in row if weight), bits)
    value = Cat(Const(mask, 2 ** len(code)).bit_select(code, 1) for mask in masks)
    if not masks:
        return Const(0, 1)
    return value.as_signed() if bits.low < 0 or min(row) < 0 else value


def whole(node: Node) -> ValueLike:
    """The number itself, with its sign and its shift."""
    return (node.value if node.sign > 0 else -node.value) << node.shift


def add(circuit: Circuit, left: Node, right: Node) -> Node:
    """Adds what overlaps; the bits of the lower node below the upper one pass by."""
    turned = left.shift == right.shift and left.sign < right.sign  # the positive is what the other is taken from
    lower, upper = (right, left) if left.shift > right.shift or turned else (left, right)
    gap, minus = upper.shift - lower.shift, lower.sign != upper.sign
    bottom, top = upper.low << gap, upper.high << gap
    low = lower.low - top if minus else lower.low + bottom
    high = lower.high - bottom if minus else lower.high + top
    shape, under = bits_of(low, high), bits_of(lower.low, lower.high)
    if gap == 0:
        value = lower.value - upper.value if minus else lower.value + upper.value
        return Node(lower.shift, lower.sign, low, high, circuit.node(cut(value, shape)))
    passing = cut(lower.value, bits_of(-(2 ** max(under.width, gap)), 0))
    if under.width <= gap and not under.signed and not minus:
        value = Cat(passing[:gap], upper.value)
    else:
        rest = passing[gap:].as_signed()
        value = Cat(passing[:gap], rest - upper.value if minus else rest + upper.value)
    total = circuit.node(cut(value.as_signed() if shape.signed else value, shape))
    return Node(lower.shift, lower.sign, low, high, total)


def cut(value: ValueLike, shape: ShapeLike) -> ValueLike:
    """The value in exactly this code, or, of a wider one, its lowest bits."""
    padded = value + Const(0, shape.width) if len(value) < shape.width else value
    part = padded[: shape.width]
    return part.as_signed() if shape.signed else part
