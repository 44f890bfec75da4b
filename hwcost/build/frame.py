"""Units with streams on both sides: words of several elements, with valid and ready, as AXI4-Stream has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from amaranth.hdl import Cat, Signal, Value, ValueLike

from hwcost.graph.ranges import Range, widest
from hwcost.synth.circuit import Circuit, shape_of
from hwcost.synth.constant import cut


@dataclass(frozen=True, eq=False)
class Port:
    """One side of a stream: a word is handed over in a cycle in which both `valid` and `ready` hold.

    Attributes:
        data, valid, ready: wires.
        lanes: elements per word, the first in the lowest bits.
        wire: range of an element.
    """

    data: Signal
    valid: Signal
    ready: Signal
    lanes: int
    wire: Range

    def elements(self) -> list[Value]:
        """The elements of a word."""
        return split(self.data, self.lanes, self.wire)


def still(wire: Range) -> Range:
    """One range for all channels of a stream, as it is now, without its gradient."""
    return widest(wire).each(lambda bound: bound.detach())


def split(word: Value, lanes: int, wire: Range) -> list[Value]:
    """Cut a word into its elements."""
    shape = shape_of(wire)
    parts = [word[lane * shape.width : (lane + 1) * shape.width] for lane in range(lanes)]
    return [part.as_signed() for part in parts] if shape.signed else parts


def coded(value: ValueLike, source: Range, sink: Range, shift: int = 0) -> Value:
    """An element in the code of another wire, without its lowest `shift` bits."""
    whole = Value.cast(value)
    if source.bipolar and not sink.bipolar:
        whole = Cat(1, ~whole).as_signed()
    return cut(whole >> shift, shape_of(sink))


@dataclass(eq=False)
class Frame:
    """A unit under construction.

    Attributes:
        circuit: its module and ports.
        entering, leaving: its streams; a unit has one that leaves, a copy one for each reader.
    """

    circuit: Circuit = field(default_factory=Circuit)
    entering: list[Port] = field(default_factory=list)
    leaving: list[Port] = field(default_factory=list)

    def enter(self, lanes: int, wire: Range) -> Port:
        """Add a stream that is read."""
        name = f"s{len(self.entering) or ''}"
        data = self.circuit.input(f"{name}_data", lanes * shape_of(wire).width)
        port = Port(data, self.circuit.input(f"{name}_valid", 1), Signal(name=f"{name}_ready"), lanes, wire)
        self.circuit.outputs[f"{name}_ready"] = port.ready
        self.entering.append(port)
        return port

    def leave(self, lanes: int, wire: Range) -> Port:
        """Add a stream that is made."""
        name = f"m{len(self.leaving) or ''}"
        data, valid = Signal(lanes * shape_of(wire).width, name=f"{name}_data"), Signal(name=f"{name}_valid")
        port = Port(data, valid, self.circuit.input(f"{name}_ready", 1), lanes, wire)
        self.circuit.outputs |= {f"{name}_data": data, f"{name}_valid": valid}
        self.leaving.append(port)
        return port

    def drive(self, *pairs: tuple[Signal, ValueLike]) -> None:
        """Drive wires."""
        self.circuit.module.d.comb += [wire.eq(value) for wire, value in pairs]

    def hold(self, inner: Circuit, name: str, **values: ValueLike) -> Circuit:
        """Place a circuit inside, and drive its inputs of these names."""
        setattr(self.circuit.module.submodules, name, inner.module)
        self.drive(*((inner.inputs[port], value) for port, value in values.items()))
        return inner

    def through(self, inner: Circuit, word: Sequence[str] | str, result: Sequence[str] | str) -> Frame:
        """Wire streams to a circuit with a handshake.

        Args:
            inner: of `in_valid`, `out_ready`, `in_ready` and `out_valid`.
            word: its inputs, one per element of what enters, or the name of one for the whole word.
            result: likewise, its outputs.
        """
        (source,), (sink,) = self.entering, self.leaving
        self.hold(inner, "unit", in_valid=source.valid, out_ready=sink.ready)
        self.drive((source.ready, inner.outputs["in_ready"]), (sink.valid, inner.outputs["out_valid"]))
        parts = [source.data] if isinstance(word, str) else source.elements()
        names = [word] if isinstance(word, str) else word
        self.drive(*((inner.inputs[name], part) for name, part in zip(names, parts, strict=True)))
        found = [result] if isinstance(result, str) else result
        self.drive((sink.data, Cat(inner.outputs[name] for name in found)))
        return self
