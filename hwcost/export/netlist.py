"""An unrolled network under construction: a module for each stage, a register behind it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from amaranth.hdl import Cat, Module, Signal

from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import Range, widest
from hwcost.integer.meaning import Meaning
from hwcost.synth.circuit import Circuit, bits_of, shape_of
from hwcost.synth.number import Number, constant, entering, whole

Stage = Callable[[Circuit, list[Number]], list[Number]]


@dataclass(frozen=True, eq=False)
class Stream:
    """Numbers between two layers, in the order of a flattened sample, and their delay in clock cycles."""

    numbers: list[Number]
    cycles: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Port:
    """Integers that enter or leave, side by side in one port: the first in its lowest bits.

    Attributes:
        count: of integers.
        wire: one of them; a bipolar one is a bit, 1 for +1.
        meaning: what they stand for.
    """

    count: int
    wire: Range
    meaning: Meaning

    @property
    def bits(self) -> int:
        """Width of one integer."""
        return int(shape_of(self.wire).width)


@dataclass(eq=False)
class Netlist:
    """Network under construction, layer by layer.

    Attributes:
        structure: of thresholds, "search" or "parallel".
        sums: of products, "apart" or "shared".
        module: the whole.
        x: the port of the input, once a layer has said what enters.
        entered: its data.
        names: of the layers so far, as identifiers.
    """

    structure: str
    sums: str = "apart"
    module: Module = field(default_factory=Module)
    x: Signal | None = None
    entered: Port | None = None
    names: set[str] = field(default_factory=set)

    def enter(self, count: int, wire: Range, meaning: Meaning) -> Stream:
        """Add the input port.

        Raises:
            UnknownOperation: there is one already.
        """
        if self.entered is not None:
            raise UnknownOperation("a second quantizer of the float input; put one QuantIdentity in front of both")
        port = self.entered = Port(count=count, wire=widest(wire), meaning=meaning)
        self.x = Signal(count * port.bits, name="x")
        slices = [self.x[start : start + port.bits] for start in range(0, count * port.bits, port.bits)]
        return Stream([entering(bits, port.wire) for bits in slices], 0)

    def stage(self, name: str, function: Stage, stream: Stream) -> Stream:
        """Add logic and the register behind it, as a module of its own."""
        name, circuit = self._name(name), Circuit()
        numbers = []
        for place, number in enumerate(function(circuit, stream.numbers)):
            if not number.known:
                held = Signal(bits_of(number.low, number.high), name=f"{name}_{place}", reset_less=True)
                circuit.module.d.sync += held.eq(number.code)
                number = replace(number, code=held)
            numbers.append(number)
        self.module.submodules[name] = circuit.module
        return Stream(numbers, stream.cycles + 1)

    def delayed(self, name: str, stream: Stream, cycles: int) -> Stream:
        """Delay a stream by registers until it is `cycles` behind the input."""
        while stream.cycles < cycles:
            stream = self.stage(f"{name}_delay", lambda circuit, x: x, stream)
        return stream

    def leave(self, stream: Stream) -> tuple[Stream, Signal]:
        """Add the output port: whole integers side by side, sign-extended to the widest."""
        if any(not (number.plain or number.known) for number in stream.numbers):
            stream = self.stage("result", lambda circuit, x: [whole(circuit, one) for one in x], stream)
        numbers = [one if one.plain else constant(one.bounds()[0]) for one in stream.numbers]
        low, high = min(one.low for one in numbers), max(one.high for one in numbers)
        lanes = []
        for place, one in enumerate(numbers):
            lane = Signal(bits_of(low, high), name=f"y_{place}")
            self.module.d.comb += lane.eq(one.code)
            lanes.append(lane)
        y = Signal(sum(len(lane) for lane in lanes), name="y")
        self.module.d.comb += y.eq(Cat(*lanes))
        return Stream(numbers, stream.cycles), y

    def _name(self, name: str) -> str:
        """Make an identifier that is new in this module."""
        plain = re.sub(r"\W", "_", name)
        plain = plain if plain[:1].isalpha() else f"layer_{plain}"
        found, count = plain, 1
        while found in self.names:
            count += 1
            found = f"{plain}_{count}"
        self.names.add(found)
        return found
