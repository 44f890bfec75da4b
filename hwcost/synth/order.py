"""RTL of what changes a stream's order or length: a buffer that is read along loops, and padding or cropping."""

from amaranth.hdl import Const, Mux, Signal, ValueLike

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import Ram


def build(unit: Unit, family: str) -> Circuit:
    """`data` to `y`: two halves of a buffer, one written in order while the other is read along loops.

    Geometry: "sizes ways", the sizes of the loops from the innermost and how far apart two of their steps read.
    """
    circuit = Circuit()
    module = circuit.module
    sizes, ways = unit.numbers
    bits = unit.pe * int(wire(unit.input).bits)
    depth = half(unit)
    style = "distributed" if 2 * depth <= AUTO_LUTRAM_DEPTH["rtl"] else "block"
    data, valid, ready = circuit.input("data", bits), circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    into, filled = Signal(range(max(2, depth)), name="into"), [Signal(name=f"filled{side}") for side in (0, 1)]
    writing, reading, full = Signal(name="writing"), Signal(name="reading"), Signal(name="full")
    room, present = Signal(name="room"), Signal(name="present")
    module.d.comb += [room.eq(Mux(writing, ~filled[1], ~filled[0])), present.eq(Mux(reading, filled[1], filled[0]))]
    accept, step = valid & room, present & (ready | ~full)
    with module.If(accept):
        module.d.sync += into.eq(Mux(into == depth - 1, 0, into + 1))
        with module.If(into == depth - 1):
            module.d.sync += writing.eq(~writing)
            for side in (0, 1):
                with module.If(writing == side):
                    module.d.sync += filled[side].eq(1)
    place, over = _walk(circuit, sizes, ways, depth, step)
    with module.If(step & over):
        module.d.sync += reading.eq(~reading)
        for side in (0, 1):
            with module.If(reading == side):
                module.d.sync += filled[side].eq(0)
    with module.If(ready | ~full):
        module.d.sync += full.eq(present)
    cells = Ram(module, "halves", 2 * depth, bits, style)
    cells.write(into + Mux(writing, depth, 0), data, accept)
    word = cells.read((place + Mux(reading, depth, 0))[: max(1, (2 * depth - 1).bit_length())], step)
    if style == "block":
        circuit.output("y", word)
    else:
        circuit.output("y", word, enable=step)
    circuit.output("out_valid", full)
    circuit.output("in_ready", room)
    return circuit


def half(unit: Unit) -> int:
    """Words of one half of the buffer."""
    sizes, ways = unit.numbers
    return 1 + sum((size - 1) * way for size, way in zip(sizes, ways, strict=True))


def _walk(
    circuit: Circuit, sizes: tuple[int, ...], ways: tuple[int, ...], depth: int, step: ValueLike
) -> tuple[Signal, ValueLike]:
    """The word to read, and whether it is the last one of this half."""
    module = circuit.module
    place = Signal(range(max(2, depth)), name="place")
    inside: ValueLike = Const(1)
    jump: ValueLike = Const(ways[0])
    for level, size in enumerate(sizes):
        count = Signal(range(max(2, size)), name=f"count{level}")
        wrap = Signal(name=f"wrap{level}")
        module.d.comb += wrap.eq(inside & (count == size - 1))
        if size > 1:
            with module.If(step & inside):
                module.d.sync += count.eq(Mux(count == size - 1, 0, count + 1))
        if level + 1 < len(sizes):
            back = sum((sizes[below] - 1) * ways[below] for below in range(level + 1))
            jump = Mux(wrap, ways[level + 1] - back, jump)
        inside = wrap
    with module.If(step):
        module.d.sync += place.eq(Mux(inside, 0, (place + jump)[: len(place)]))
    return place, inside


def pad(unit: Unit, family: str) -> Circuit:
    """`data` to `y`: zeros before and after each side, or words left out.

    Geometry: "sizes before after", in words, the innermost side first; below 0 where words are left out.
    """
    circuit = Circuit()
    module = circuit.module
    bits = unit.pe * int(wire(unit.input).bits)
    data, valid, ready = circuit.input("data", bits), circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    full, step = Signal(name="full"), Signal(name="step")
    takes: ValueLike = Const(1)
    gives: ValueLike = Const(1)
    inside: ValueLike = step
    for level, (size, before, after) in enumerate(sides(unit)):
        span = size + max(0, before) + max(0, after)
        count = Signal(range(max(2, span)), name=f"count{level}")
        if span > 1:
            with module.If(inside):
                module.d.sync += count.eq(Mux(count == span - 1, 0, count + 1))
        if before > 0:
            takes = takes & (count >= before)
        if after > 0:
            takes = takes & (count < span - after)
        if before < 0:
            gives = gives & (count >= -before)
        if after < 0:
            gives = gives & (count < span + after)
        inside = inside & (count == span - 1)
    takes, gives = circuit.node(takes), circuit.node(gives)
    module.d.comb += step.eq((valid | ~takes) & (ready | ~full | ~gives))
    with module.If(ready | ~full):
        module.d.sync += full.eq(step & gives)
    circuit.output("y", Mux(takes, data, 0), enable=step & gives)
    circuit.output("out_valid", full)
    circuit.output("in_ready", takes & (ready | ~full | ~gives))
    return circuit


def sides(unit: Unit) -> list[tuple[int, int, int]]:
    """(size, before, after) of each side, the innermost first; below 0 where words are left out."""
    return list(zip(*unit.numbers, strict=True))
