"""RTL of a reciprocal or a reciprocal square root by a table of the leading bits."""

import torch
from amaranth.hdl import Cat, Const, Mux, Signal, ValueLike

from hwcost.graph.inverse import InverseTable
from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import table
from hwcost.synth.streams import handshake


def inverse_of(unit: Unit) -> InverseTable:
    """The inverse that a unit's geometry describes."""
    (low, high), (index, bits) = unit.numbers
    return InverseTable(unit.structure, index, bits, low, high)


def build(unit: Unit, family: str) -> Circuit:
    """The inverse `y` of `z`, behind a register: z is shifted to its leading one by halves of what is left."""
    circuit, found = Circuit(), inverse_of(unit)
    take, root = handshake(circuit), unit.structure == "rsqrt"
    z = circuit.input("z", found.high.bit_length())
    width = max(found.top, found.index_bits) + 1
    code: ValueLike = circuit.node(Cat(Const(0, width - 1 - found.top), z, Const(0, found.top + 1 - len(z))))
    digits: list[ValueLike] = []
    for digit in reversed(range(found.most_shift.bit_length())):
        empty = circuit.node(Cat(code)[width - 2**digit :] == 0)
        digits.insert(0, empty)
        code = circuit.node(Mux(empty, Cat(Const(0, 2**digit), Cat(code)[: width - 2**digit]), code))
    shift, entries = Cat(*digits), found.entries()
    odd = [shift[0] if len(shift) else Const(0, 1)] if root else []
    place = Cat(Cat(code)[width - 1 - found.index_bits : width - 1], *odd)
    word: ValueLike = Const(entries[0], found.word_bits)
    if len(entries) > 1:
        address = Signal(len(place), name="place")
        circuit.module.d.comb += address.eq(place)
        word = table(circuit.module, "entries", entries, found.word_bits, address)
    back = shift[1:] if root else shift
    shifted = circuit.node(word << back if len(back) else word)
    largest = int(found(torch.tensor(found.low)))
    circuit.output("y", shifted[: largest.bit_length()], enable=take)
    return circuit
