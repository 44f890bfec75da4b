"""RTL of element-wise units: pooling, sums of two streams, clips, scale and bias; one register and a handshake."""

from math import prod

from amaranth.hdl import Const, Mux, Signal, ValueLike

from hwcost.graph.ranges import Range
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.synth.circuit import Circuit, shape_of, tree


def handshake(circuit: Circuit, complete: ValueLike = 1) -> ValueLike:
    """Ready and valid around one register: taken when it is free or being emptied.

    Args:
        circuit: where it is built.
        complete: whether the word that enters completes what leaves.

    Returns:
        When a word is taken.
    """
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    full = Signal(name="full")
    take = Signal(name="take")
    circuit.module.d.comb += take.eq(valid & (ready | ~full))
    with circuit.module.If(ready | ~full):
        circuit.module.d.sync += full.eq(valid & complete)
    circuit.output("out_valid", full)
    circuit.output("in_ready", ready | ~full)
    return take


def adder(unit: Unit, family: str) -> Circuit:
    """y{p} = a{p} + b{p}."""
    circuit = Circuit()
    take = handshake(circuit)
    left, right = shape_of(wire(unit.input)), shape_of(wire(unit.output))
    for p in range(unit.pe):
        circuit.output(f"y{p}", circuit.input(f"a{p}", left) + circuit.input(f"b{p}", right), enable=take)
    return circuit


def saturate(unit: Unit, family: str) -> Circuit:
    """y{p} is x{p}, clipped to what the output holds."""
    circuit = Circuit()
    take, inputs, output = handshake(circuit), wire(unit.input), wire(unit.output)
    for p in range(unit.pe):
        x = circuit.input(f"x{p}", shape_of(inputs))
        circuit.output(f"y{p}", _as(_clipped(x, inputs, output), output.signed), enable=take)
    return circuit


def _clipped(x: Signal, inputs: Range, output: Range) -> ValueLike:
    """The bits above the result tell whether it fits; a range that does not end at a power of two is compared."""
    bits = int(output.bits)
    low, high = (Const(int(bound), shape_of(output)) for bound in (output.low, output.high))
    if len(x) <= bits or not inputs.signed or float(output.low) == -float(output.high):
        return Mux(x > high, high, Mux(x < low, low, x[:bits]))[:bits]
    upper = x[bits - output.signed :]
    bound = Mux(x[-1], low, high)
    fits = (upper == 0) | (upper.all() & output.signed)
    return Mux(fits, x[:bits], bound[:bits])


def _as(value: ValueLike, is_signed: bool) -> ValueLike:
    return value.as_signed() if is_signed else value


def scale_bias(unit: Unit, family: str) -> Circuit:
    """y{p} = x{p} * w{p} + b{p}, cut to the output; without a bias where `structure` is "scale"."""
    circuit = Circuit()
    take, output = handshake(circuit), wire(unit.output)
    for p in range(unit.pe):
        y = circuit.input(f"x{p}", shape_of(wire(unit.input))) * circuit.input(f"w{p}", shape_of(wire(unit.weight)))
        if unit.structure != "scale":
            y = y + circuit.input(f"b{p}", shape_of(output))
        cut = (y + Const(0, int(output.bits)))[: int(output.bits)]
        circuit.output(f"y{p}", _as(cut, output.signed), enable=take)
    return circuit


def pool(unit: Unit, family: str) -> Circuit:
    """The largest or the sum of a window: `simd` of its elements x{p}_{s} per cycle, as many cycles as it takes."""
    circuit = Circuit()
    inputs, output = shape_of(wire(unit.input)), shape_of(wire(unit.output))
    rounds = prod(unit.numbers[0]) // unit.simd
    count = Signal(range(max(2, rounds)), name="count")
    last, first = count == rounds - 1, count == 0
    take = handshake(circuit, last)
    if rounds > 1:
        with circuit.module.If(take):
            circuit.module.d.sync += count.eq(Mux(last, 0, count + 1))
    for p in range(unit.pe):
        lanes = [circuit.input(f"x{p}_{s}", inputs) for s in range(unit.simd)]
        if unit.structure == "sum":
            found: ValueLike = circuit.node(tree(lanes))
        else:
            found = lanes[0]
            for lane in lanes[1:]:
                found = circuit.node(Mux(lane > found, lane, found))
        state = Signal(output, name=f"state{p}", reset_less=True)
        if rounds > 1:
            more = state + found if unit.structure == "sum" else Mux(found > state, found, state)
            found = Mux(first, found, more)
        with circuit.module.If(take):
            circuit.module.d.sync += state.eq(found)
        circuit.output(f"y{p}", state)
    return circuit
