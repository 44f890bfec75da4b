"""RTL of weights that arrive as a stream: memories written in one half while a matrix-vector unit reads the other."""

from math import prod

from amaranth.hdl import Cat, Mux, Signal, ValueLike, unsigned

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import Ram


def build(unit: Unit, family: str) -> Circuit:
    """Matrices of rows x cols weights from a stream, read again and again.

    The stream: for every row ("rows"; column: "cols"), of every matrix, words of SIMD (PE) weights. Ports `data`,
    `in_valid`, `in_ready`. Out of `weights`, on `step`, come the words of PE * SIMD weights of every matrix in turn,
    `vectors` times in all, while `out_valid`: bank by bank, so that PE p ("rows") or lane s ("cols") has its own bits.
    """
    circuit = Circuit()
    module, bits = circuit.module, int(wire(unit.weight).bits)
    ((rows, cols, held, vectors),) = unit.numbers
    folds, words, by_column = rows // unit.pe, cols // unit.simd, unit.structure == "cols"
    banks, lanes = (unit.simd, unit.pe) if by_column else (unit.pe, unit.simd)
    stored = folds * words
    valid, data, step = circuit.input("in_valid", 1), circuit.input("data", lanes * bits), circuit.input("step", 1)
    filled = Signal(2, name="filled")  # halves that hold matrices
    write_half, read_half = Signal(name="write_half"), Signal(name="read_half")
    take, taken = Signal(name="take"), Signal(name="taken")
    module.d.comb += [take.eq(valid & (filled != 2)), taken.eq(step & (filled != 0))]
    inner, outer = (folds, words) if by_column else (words, folds)
    at, last_write = _loops(circuit, "write", (inner, held, banks, outer), take)
    first, second = (at[3], at[0]) if by_column else (at[0], at[3])
    place = write_half * (held * stored) + at[1] * stored + second * words + first
    (word, matrix, _), last_read = _loops(circuit, "read", (stored, held, vectors // held), taken)
    address = read_half * (held * stored) + matrix * stored + word
    with module.If(take & last_write):
        module.d.sync += write_half.eq(~write_half)
    with module.If(taken & last_read):
        module.d.sync += read_half.eq(~read_half)
    more, less = take & last_write, taken & last_read
    with module.If(more & ~less):
        module.d.sync += filled.eq(filled + 1)
    with module.Elif(less & ~more):
        module.d.sync += filled.eq(filled - 1)
    depth = 2 * held * stored
    style = "distributed" if depth <= AUTO_LUTRAM_DEPTH["rtl"] else "block"
    wide = unsigned(max(1, (depth - 1).bit_length()))
    put, get = Signal(wide, name="put"), Signal(wide, name="get")
    module.d.comb += [put.eq(place), get.eq(address)]
    read: list[ValueLike] = []
    for bank in range(banks):
        cells = Ram(module, f"weights{bank}", depth, lanes * bits, style)
        cells.write(put, data, take & (at[2] == bank))
        read.append(cells.read(get, taken))
    circuit.output("weights", Cat(*read))
    circuit.output("in_ready", filled != 2)
    circuit.output("out_valid", filled != 0)
    return circuit


def _loops(circuit: Circuit, name: str, sizes: tuple[int, ...], step: ValueLike) -> tuple[list[Signal], ValueLike]:
    """Counters inside one another, the innermost first, and whether all stand at their last number."""
    counters = [Signal(range(max(2, size)), name=f"{name}{level}") for level, size in enumerate(sizes)]
    carry: ValueLike = step
    done: list[ValueLike] = []
    for counter, size in zip(counters, sizes, strict=True):
        if size == 1:
            continue
        last = circuit.node(counter == size - 1)
        with circuit.module.If(carry):
            circuit.module.d.sync += counter.eq(Mux(last, 0, counter + 1))
        carry, done = carry & last, [*done, last]
    return counters, Cat(*done).all() if done else 1


def reads(unit: Unit) -> int:
    """Words that are read while one half is used."""
    ((rows, cols, _, vectors),) = unit.numbers
    return prod((rows // unit.pe, cols // unit.simd, vectors))
