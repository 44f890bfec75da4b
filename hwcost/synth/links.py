"""RTL of what connects units: converters of word widths, FIFOs, copies, joins of streams, the choice of a label."""

from amaranth.hdl import Cat, Const, Mux, Signal, ValueLike

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.fabric import fabric, multiplier_of
from hwcost.models.formulas.streams import FEW_WORDS
from hwcost.synth.circuit import Circuit, shape_of
from hwcost.synth.memory import Ram
from hwcost.synth.streams import handshake


def converter(unit: Unit, family: str) -> Circuit:
    """Words of some bits collected into a wide one ("up"), or a wide one shifted out ("down")."""
    circuit = Circuit()
    ((words, bits),) = unit.numbers
    return _up(circuit, words, bits) if unit.structure == "up" else _down(circuit, words, bits)


def _down(circuit: Circuit, words: int, bits: int) -> Circuit:
    module, data = circuit.module, circuit.input("data", words * bits)
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    held, left = Signal(words * bits, name="held", reset_less=True), Signal(range(words + 1), name="left")
    free = circuit.node((left == 0) | ((left == 1) & ready))
    with module.If(valid & free):
        module.d.sync += [left.eq(words), held.eq(data)]
    with module.Elif((left != 0) & ready):
        module.d.sync += [left.eq(left - 1), held.eq(held >> bits)]
    circuit.output("in_ready", free)
    circuit.output("out_valid", left != 0)
    circuit.output("word", held[:bits])
    return circuit


def _up(circuit: Circuit, words: int, bits: int) -> Circuit:
    module, data = circuit.module, circuit.input("data", bits)
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    held, count = Signal(words * bits, name="held", reset_less=True), Signal(range(words + 1), name="count")
    full = circuit.node(count == words)
    free = circuit.node(~full | ready)
    with module.If(valid & free):
        module.d.sync += [count.eq(Mux(full, 1, count + 1)), held.eq(Cat(held[bits:], data))]
    with module.Elif(full & ready):
        module.d.sync += count.eq(0)
    circuit.output("in_ready", free)
    circuit.output("out_valid", full)
    circuit.output("word", held)
    return circuit


def fifo(unit: Unit, family: str, *, watched: bool = False) -> Circuit:
    """`depth` words of `bits`: shift registers with an address ("srl"), or a block RAM with two pointers ("bram18").

    Args:
        unit: what to build.
        family: what it is for; without shift registers in LUTs, "srl" is a ring in LUT RAM.
        watched: whether a port `level` tells how many words it holds.
    """
    circuit = Circuit()
    ((depth, bits),) = unit.numbers
    if unit.structure == "bram18":
        level = _ring(circuit, depth, bits)
    else:
        shifted = fabric(multiplier_of(family)).shifted
        level = (_shifting if shifted or depth <= FEW_WORDS else _small_ring)(circuit, depth, bits)
    if watched:
        circuit.output("level", level)
    return circuit


def _shifting(circuit: Circuit, depth: int, bits: int) -> ValueLike:
    module, data = circuit.module, circuit.input("data", bits)
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    size = max(1, (depth - 1).bit_length())
    last = Signal(size + 1, name="last", init=2 ** (size + 1) - 1)  # the oldest word; -1 without any
    held, full = circuit.node(~last[-1]), circuit.node(last == depth - 1)
    taken, given = circuit.node(valid & ~full), circuit.node(held & ready)
    with module.If(taken ^ given):
        module.d.sync += last.eq(last + Mux(given, Const(-1, size + 1), 1))
    circuit.inside = True
    rows = [Signal(depth, name=f"row{bit}", reset_less=True) for bit in range(bits)]
    with module.If(taken):
        module.d.sync += [row.eq(Cat(data[bit], row[:-1])) for bit, row in enumerate(rows)]
    circuit.output("in_ready", ~full)
    circuit.output("out_valid", held)
    circuit.output("word", Cat(row.bit_select(last[:size], 1) for row in rows))
    return (last + 1)[: size + 1]


def _small_ring(circuit: Circuit, depth: int, bits: int) -> ValueLike:
    """A ring in LUT RAM, which shows its oldest word at once; what shift registers do where there are none."""
    module, data = circuit.module, circuit.input("data", bits)
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    size = max(1, (depth - 1).bit_length())
    write, read = (Signal(size, name=name) for name in ("write", "read"))
    count = Signal(range(depth + 1), name="count")
    held, full = circuit.node(count != 0), circuit.node(count == depth)
    taken, given = circuit.node(valid & ~full), circuit.node(held & ready)
    for pointer, moves in ((write, taken), (read, given)):
        with module.If(moves):
            module.d.sync += pointer.eq(Mux(pointer == depth - 1, 0, pointer + 1))
    with module.If(taken ^ given):
        module.d.sync += count.eq(count + Mux(given, Const(-1, len(count)), 1))
    cells = Ram(module, "cells", depth, bits, "distributed")
    cells.write(write, data, taken)
    circuit.output("in_ready", ~full)
    circuit.output("out_valid", held)
    circuit.output("word", cells.read(read))
    return count


def _ring(circuit: Circuit, depth: int, bits: int) -> ValueLike:
    """Ends in a register that the RAM fills, so that a word is at the output while the next is read."""
    module, data = circuit.module, circuit.input("data", bits)
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    size = (depth - 1).bit_length()
    write, read = Signal(size + 1, name="write"), Signal(size + 1, name="read")
    held = Signal(name="held")
    room = circuit.node((write - read)[: size + 1] != Const(depth))  # the pointers run around at different times
    taken = circuit.node(valid & room)
    fetch = circuit.node((write != read) & (ready | ~held))
    cells = Ram(module, "cells", depth, bits, "block")
    cells.write(write[:size], data, taken)
    word = cells.read(read[:size], fetch)
    module.d.sync += [write.eq(write + taken), read.eq(read + fetch)]
    with module.If(ready | ~held):
        module.d.sync += held.eq(write != read)
    circuit.output("in_ready", room)
    circuit.output("out_valid", held)
    circuit.output("word", word)
    return (write - read)[: size + 1] + held


def copy(unit: Unit, family: str) -> Circuit:
    """One stream for `geometry` readers, each at its own pace: only its control, the data are wires."""
    circuit = Circuit()
    count = unit.numbers[0][0]
    valid = circuit.input("in_valid", 1)
    done, ready = Signal(count, name="done"), Cat(circuit.input(f"out_ready{one}", 1) for one in range(count))
    served = circuit.node(done | ready)
    taken = circuit.node(served.all())
    with circuit.module.If(valid):
        circuit.module.d.sync += done.eq(Mux(taken, 0, served))
    circuit.output("in_ready", taken)
    for one in range(count):
        circuit.output(f"out_valid{one}", valid & ~done[one])
    return circuit


def concat(unit: Unit, family: str) -> Circuit:
    """`geometry` streams taken in turn, `pe` elements of `input` a word: x{stream} to `word`, and which is read."""
    circuit = Circuit()
    count, bits = unit.numbers[0][0], unit.pe * int(wire(unit.input).bits)
    words = [circuit.input(f"x{stream}", bits) for stream in range(count)]
    turn = Signal(range(count), name="turn")
    take = handshake(circuit)
    with circuit.module.If(take):
        circuit.module.d.sync += turn.eq(Mux(turn == count - 1, 0, turn + 1))
    circuit.output("word", Cat(words).word_select(turn, bits), enable=take)
    circuit.output("turn", turn)
    return circuit


def label(unit: Unit, family: str) -> Circuit:
    """The index of the largest of `geometry` elements of `input`, `pe` a word: the first of equals."""
    circuit = Circuit()
    module, channels, pe = circuit.module, unit.numbers[0][0], unit.pe
    folds, shape = channels // pe, shape_of(wire(unit.input))
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    count, best = Signal(range(folds + 1), name="count"), Signal(shape, name="best", reset_less=True)
    index = Signal(range(max(2, channels)), name="index", reset_less=True)
    full = circuit.node(count == folds)
    free = circuit.node(~full | ready)
    start = circuit.node((count == 0) | full)
    top: ValueLike = circuit.input("x0", shape)
    place: ValueLike = Const(0, max(1, (pe - 1).bit_length()))
    for lane in range(1, pe):
        x = circuit.input(f"x{lane}", shape)
        better = circuit.node(x > top)
        top, place = circuit.node(Mux(better, x, top)), circuit.node(Mux(better, lane, place))
    first = circuit.node(Mux(full, 0, count) * pe) if folds > 1 else Const(0)
    with module.If(valid & free):
        module.d.sync += count.eq(Mux(full, 1, count + 1))
        with module.If(start | (top > best)):
            module.d.sync += [best.eq(top), index.eq(first + place)]
    with module.Elif(full & ready):
        module.d.sync += count.eq(0)
    circuit.output("in_ready", free)
    circuit.output("out_valid", full)
    circuit.output("label", index)
    return circuit
