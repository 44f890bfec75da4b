"""RTL of a product with a constant matrix: a balanced tree of adders over the signed digits of each row."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from amaranth.hdl import Cat, Const, ShapeLike, ValueLike

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.unrolled.signed_digits import signed_digits
from hwcost.models.unrolled.small_table import Bits, few_bits, truth_tables
from hwcost.synth.circuit import Circuit, bits_of, shape_of


@dataclass(frozen=True, eq=False)
class _Node:
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
    """One output per row of the matrix, y{i}, from x{j}; nothing is registered."""
    circuit = Circuit()
    inputs, matrix = wire(unit.input), unit.constants
    low, high, bits = int(inputs.low), int(inputs.high), Bits.of(inputs)
    x = [Operand(circuit.input(f"x{j}", shape_of(inputs)), low, high) for j in range(len(matrix[0]))]
    for i, row in enumerate(matrix):
        circuit.output(f"y{i}", dot(circuit, row, x, bits).value)
    return circuit


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
    leaves = sorted((shift, j, sign) for j, weight in enumerate(row) for shift, sign in digits(weight))
    nodes = [_Node(shift, sign, x[j].low, x[j].high, x[j].value) for shift, j, sign in leaves]
    while len(nodes) > 1:
        pairs = [nodes[start : start + 2] for start in range(0, len(nodes), 2)]
        nodes = [_sum(circuit, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return Operand(_whole(nodes[0]) if nodes else Const(0, 1), low, high)


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


def _whole(node: _Node) -> ValueLike:
    return (node.value if node.sign > 0 else -node.value) << node.shift


def _sum(circuit: Circuit, left: _Node, right: _Node) -> _Node:
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
        return _Node(lower.shift, lower.sign, low, high, circuit.node(cut(value, shape)))
    passing = cut(lower.value, bits_of(-(2 ** max(under.width, gap)), 0))
    if under.width <= gap and not under.signed and not minus:
        value = Cat(passing[:gap], upper.value)
    else:
        rest = passing[gap:].as_signed()
        value = Cat(passing[:gap], rest - upper.value if minus else rest + upper.value)
    whole = circuit.node(cut(value.as_signed() if shape.signed else value, shape))
    return _Node(lower.shift, lower.sign, low, high, whole)


def cut(value: ValueLike, shape: ShapeLike) -> ValueLike:
    """The value in exactly this code, or, of a wider one, its lowest bits."""
    whole = value + Const(0, shape.width) if len(value) < shape.width else value
    part = whole[: shape.width]
    return part.as_signed() if shape.signed else part
