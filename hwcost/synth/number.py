"""Integers on wires of an unrolled network: a constant factor or addend of a code is left to whoever reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from amaranth.hdl import Const, Mux, Value, ValueLike

from hwcost.graph.ranges import Range
from hwcost.models.unrolled.small_table import Bits
from hwcost.synth.circuit import Circuit, bits_of, shape_of
from hwcost.synth.constant import Operand, cut, dot, dots
from hwcost.synth.thresholds import reached


@dataclass(frozen=True, eq=False, kw_only=True)
class Number:
    """The integer gain * code + offset.

    A bipolar bit is 2 * bit - 1; thresholds that are passed downwards are n - count; an integer bias is an offset. All
    of that moves into the constants of the next product or comparison.

    Attributes:
        code: a wire, or a constant.
        low, high: of the code.
        gain, offset: as above; gain not 0.
    """

    code: ValueLike
    low: int
    high: int
    gain: int = 1
    offset: int = 0

    @property
    def known(self) -> bool:
        """Whether it is one integer whatever enters."""
        return self.low == self.high

    @property
    def plain(self) -> bool:
        """Whether the code is the integer."""
        return self.gain == 1 and self.offset == 0

    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest integer."""
        ends = sorted(self.gain * code + self.offset for code in (self.low, self.high))
        return ends[0], ends[1]


def constant(value: int) -> Number:
    """A number that never changes."""
    return Number(code=Const(value, bits_of(value, value)), low=value, high=value)


def entering(bits: ValueLike, wire: Range) -> Number:
    """A number of a port."""
    if wire.bipolar:
        return Number(code=bits, low=0, high=1, gain=2, offset=-1)
    code = bits.as_signed() if shape_of(wire).signed else bits
    return Number(code=code, low=int(wire.low), high=int(wire.high))


def product(circuit: Circuit, row: Sequence[int], x: Sequence[Number], bias: int = 0) -> Number:
    """sum(row * x) + bias; bias, offsets and what all constants have in common are left to whoever reads it."""
    used = [(weight * one.gain, one) for weight, one in zip(row, x, strict=True) if weight and not one.known]
    offset = bias + sum(weight * one.offset for weight, one in zip(row, x, strict=True))
    offset += sum(weight * one.gain * one.low for weight, one in zip(row, x, strict=True) if one.known)
    if not used:
        return constant(offset)
    common = gcd(*(weight for weight, _ in used))
    if all(weight < 0 for weight, _ in used):
        common = -common
    weights = [weight // common for weight, _ in used]
    low, high = min(one.low for _, one in used), max(one.high for _, one in used)
    code = bits_of(low, high)
    bits = Bits(code.width, low, high)
    operands = [Operand(cut(one.code, code), one.low, one.high) for _, one in used]
    total = dot(circuit, weights, operands, bits)
    value = circuit.node(cut(total.value, bits_of(total.low, total.high)))
    return Number(code=value, low=total.low, high=total.high, gain=common, offset=offset)


def products(
    circuit: Circuit, rows: Sequence[Sequence[int]], x: Sequence[Number], biases: Sequence[int]
) -> list[Number]:
    """Several sums as `product` gives them, with the sums that they have in common built once."""
    moving = [at for at, one in enumerate(x) if not one.known]
    operands = [Operand(cut(x[at].code, bits_of(x[at].low, x[at].high)), x[at].low, x[at].high) for at in moving]
    gains, matrix = [], []
    for row in rows:
        weights = [row[at] * x[at].gain for at in moving]
        first = next((weight for weight in weights if weight), 1)
        gains.append(max(1, gcd(*weights)) * (1 if first > 0 else -1))
        matrix.append([weight // gains[-1] for weight in weights])
    found = []
    for row, bias, gain, total in zip(rows, biases, gains, dots(circuit, matrix, operands), strict=True):
        offset = bias + sum(weight * one.offset for weight, one in zip(row, x, strict=True))
        offset += sum(weight * one.gain * one.low for weight, one in zip(row, x, strict=True) if one.known)
        if total.low == total.high:
            found.append(constant(offset + gain * total.low))
            continue
        value = circuit.node(cut(total.value, bits_of(total.low, total.high)))
        found.append(Number(code=value, low=total.low, high=total.high, gain=gain, offset=offset))
    return found


def activation(
    circuit: Circuit, x: Number, steps: Sequence[int], *, sign: int, lowest: int, gap: int, structure: str
) -> Number:
    """lowest + gap * (how many of the steps sign * x reaches).

    Args:
        circuit: where it is built.
        x: the number that is compared.
        steps: rising.
        sign: 1, or -1 where a larger number passes fewer.
        lowest, gap: of the codes that leave.
        structure: "search" or "parallel".
    """
    gain, offset = sign * x.gain, sign * x.offset
    if gain > 0:  # gain * code + offset >= step
        bounds = [-((offset - step) // gain) for step in steps]
    else:  # the code is at most (offset - step) / -gain: it does not reach the integer above
        bounds = [(offset - step) // -gain + 1 for step in steps]
    always = sum(bound <= x.low for bound in bounds)
    live = sorted(bound for bound in bounds if x.low < bound <= x.high)
    passed, turn = (always, gap) if gain > 0 else (len(steps) - always, -gap)
    if not live:
        return constant(lowest + gap * passed)
    shape = bits_of(x.low, x.high)
    if structure == "search":
        full = 2 ** len(live).bit_length() - 1
        if full > len(live):  # what is never reached fills the search up
            live += [x.high + 1] * (full - len(live))
            shape = bits_of(x.low, x.high + 1)
    count = sum(bound <= x.high for bound in live)
    code = reached(circuit, x.code, live, shape, structure)[: count.bit_length()]
    return Number(code=circuit.node(code), low=0, high=count, gain=turn, offset=lowest + gap * passed)


def whole(circuit: Circuit, x: Number) -> Number:
    """The same number as its own code."""
    if x.plain:
        return x
    low, high = x.bounds()
    if x.known:
        return constant(low)
    bits = Bits(bits_of(x.low, x.high).width, x.low, x.high)
    factor = dot(circuit, [abs(x.gain)], [Operand(x.code, x.low, x.high)], bits).value
    value = x.offset - factor if x.gain < 0 else factor + x.offset
    return Number(code=circuit.node(cut(Value.cast(value), bits_of(low, high))), low=low, high=high)


def clipped(circuit: Circuit, x: Number, low: int, high: int) -> Number:
    """A number that stops at its bounds."""
    one = whole(circuit, x)
    if one.low >= low and one.high <= high:
        return one
    if one.high <= low or one.low >= high:
        return constant(low if one.high <= low else high)
    value = Mux(one.code < Const(low), Const(low), Mux(one.code > Const(high), Const(high), one.code))
    least, most = max(low, one.low), min(high, one.high)
    return Number(code=circuit.node(cut(value, bits_of(least, most))), low=least, high=most)


def wrapped(circuit: Circuit, x: Number, low: int, high: int) -> Number:
    """A number of which only the lowest bits are kept; low..high is a whole code."""
    one = whole(circuit, x)
    if one.low >= low and one.high <= high:
        return one
    return Number(code=circuit.node(cut(one.code, bits_of(low, high))), low=low, high=high)


def shifted(circuit: Circuit, x: Number, bits: int) -> Number:
    """A number without its lowest bits, rounded down."""
    one = whole(circuit, x)
    low, high = one.low >> bits, one.high >> bits
    return constant(low) if low == high else Number(code=circuit.node(one.code >> bits), low=low, high=high)
