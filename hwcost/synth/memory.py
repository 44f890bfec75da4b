# amaranth: UnusedElaboratable=no
# As in circuit.py: a unit may be dropped with the error that says why.
"""RTL of memories: tables in LUTs, LUT RAM, block RAM, URAM; and a memory as a part of other units."""

from collections.abc import Sequence
from random import Random

from amaranth.hdl import Module, Signal, ValueLike, unsigned
from amaranth.lib.memory import Memory
from torch import Tensor

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit

STYLES = {"rom": "logic", "ram": "distributed", "spram": "distributed", "bram18": "block", "uram": "ultra"}
"""`structure` of a memory -> the style that the synthesizer is asked for."""


def build(unit: Unit, family: str) -> Circuit:
    """Memory of `depth` words of `bits`, from `address` to `data`.

    A RAM also has `write`, `value` and, unless it has one address for both, `at`; a ROM has random contents.
    """
    circuit = Circuit()
    ((depth, bits),) = unit.numbers
    address = circuit.input("address", unsigned(max(1, (depth - 1).bit_length())))
    if unit.structure == "rom":
        data = table(circuit.module, "cells", contents(depth, bits), bits, address)
        circuit.output("data", data)
        return circuit
    write, value = circuit.input("write", 1), circuit.input("value", unsigned(bits))
    at = address if unit.structure == "spram" else circuit.input("at", unsigned(len(address)))
    cells = Ram(circuit.module, "cells", depth, bits, STYLES[unit.structure])
    cells.write(at, value, write)
    circuit.output("data", cells.read(address))
    return circuit


def contents(depth: int, bits: int) -> list[int]:
    """Words that no synthesizer can compress: random, the same for every memory of a size."""
    return [Random(f"{depth}x{bits}x{word}").getrandbits(bits) for word in range(depth)]


def table(module: Module, name: str, words: list[int], bits: int, address: Signal) -> ValueLike:
    """A ROM in LUTs, read without a register."""
    rom = Memory(shape=unsigned(bits), depth=len(words), init=words, attrs={"ram_style": "logic"})
    setattr(module.submodules, name, rom)
    port = rom.read_port(domain="comb")
    module.d.comb += port.addr.eq(address)
    return port.data


SWAPS = "swaps_"
"""Prefix of the names of memories of which a word is read in the cycle in which it is replaced."""


class Ram:
    """A memory with one write and one read port: registered, unless in LUTs; a single word is a register.

    Args:
        module: where it is built.
        name: of the submodule.
        depth, bits: words and their width.
        style: "distributed", "block", "ultra", or "logic" for one that is never written.
        init: words that it starts with.
        swaps: whether a word is read in the cycle in which it is replaced; block RAM of some families pays for that.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        depth: int,
        bits: int,
        style: str,
        init: Sequence[int] = (),
        *,
        swaps: bool = False,
    ) -> None:
        self.module, self.style = module, style
        self.word: Signal | None = None
        if depth == 1:
            self.word = Signal(bits, name=name, init=init[0] if init else 0, reset_less=True)
        else:
            self.cells = Memory(shape=unsigned(bits), depth=depth, init=init, attrs={"ram_style": style})
            setattr(module.submodules, f"{SWAPS}{name}" if swaps else name, self.cells)

    def write(self, address: ValueLike, value: ValueLike, enable: ValueLike) -> None:
        """The write port."""
        if self.word is not None:
            with self.module.If(enable):
                self.module.d.sync += self.word.eq(value)
            return
        port = self.cells.write_port()
        self.module.d.comb += [port.addr.eq(address), port.data.eq(value), port.en.eq(enable)]

    def read(self, address: ValueLike, enable: ValueLike = 1) -> ValueLike:
        """The read port; the data of `address`, one enabled cycle later where it is registered."""
        if self.word is not None:
            return self.word
        if self.style in ("distributed", "logic"):
            port = self.cells.read_port(domain="comb")
        else:
            port = self.cells.read_port(domain="sync")
            self.module.d.comb += port.en.eq(enable)
        self.module.d.comb += port.addr.eq(address)
        return port.data


def packed(rows: Tensor, bits: int) -> list[int]:
    """Words of several codes, the first in the lowest bits: (words, lanes) codes."""
    return [sum(code << (bits * lane) for lane, code in enumerate(row)) for row in rows.tolist()]
