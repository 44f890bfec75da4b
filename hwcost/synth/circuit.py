# amaranth: UnusedElaboratable=no
# A unit that turns out not to fit its neighbours is dropped with the error that says so.
"""A unit as a circuit: its module, and the names of what enters and leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from amaranth.back import rtlil
from amaranth.hdl import Module, Shape, Signal, Value, ValueLike, signed, unsigned

from hwcost.graph.ranges import Range


def _module() -> Module:
    return Module()


@dataclass(eq=False)
class Circuit:
    """A module under construction, with its ports.

    Attributes:
        module: the logic.
        inputs, outputs: ports by name.
        nodes: wires made so far, see `node`.
        inside: whether no part is ever selected beyond the end of a signal. Amaranth asks for zeros there;
            without them a synthesizer finds the shift registers that it has primitives for.
    """

    module: Module = field(default_factory=_module)
    inputs: dict[str, Signal] = field(default_factory=dict)
    outputs: dict[str, Signal] = field(default_factory=dict)
    nodes: int = 0
    inside: bool = False

    def input(self, name: str, shape: Shape | int) -> Signal:
        """A new input port."""
        self.inputs[name] = Signal(shape, name=name)
        return self.inputs[name]

    def output(self, name: str, value: ValueLike, *, enable: ValueLike = None) -> Signal:
        """A new output port behind a register, loaded where `enable` holds; without one, a wire."""
        port = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        if enable is None:
            self.module.d.comb += port.eq(value)
        else:
            with self.module.If(enable):
                self.module.d.sync += port.eq(value)
        self.outputs[name] = port
        return port

    def node(self, value: ValueLike) -> Signal:
        """A wire that holds the value: what is used twice must be one, or it is built twice."""
        wire = Signal(Value.cast(value).shape(), name=f"node{self.nodes}")
        self.nodes += 1
        self.module.d.comb += wire.eq(value)
        return wire

    def rtlil(self) -> str:
        """The module `top` in Yosys' own language."""
        ports = [*self.inputs.values(), *self.outputs.values()]
        text = str(rtlil.convert(self.module, ports=ports, name="top", emit_src=False))
        return within(text) if self.inside else text


def within(text: str) -> str:
    """A module in Yosys' language whose selections never reach beyond the end of a signal."""
    return text.replace("cell $shift ", "cell $shiftx ")


def shape_of(range: Range) -> Shape:
    """Signed or unsigned bits of a wire; a bipolar one is an unsigned bit, 1 for +1."""
    bits = int(range.bits)
    return signed(bits) if range.signed and not range.bipolar else unsigned(bits)


def bits_of(low: int, high: int) -> Shape:
    """The smallest code of low..high."""
    if low >= 0:
        return unsigned(max(1, high.bit_length()))
    return signed(max(~low, high).bit_length() + 1)


def tree(terms: Sequence[ValueLike]) -> ValueLike:
    """Balanced sum: neighbours are added, level by level; a sum is as wide as it has to be."""
    nodes = list(terms)
    while len(nodes) > 1:
        nodes = paired(nodes)
    return nodes[0]


def paired(nodes: Sequence[ValueLike]) -> list[ValueLike]:
    """One level of a balanced sum: neighbours are added, the last one of an odd number is handed on."""
    pairs = [nodes[start : start + 2] for start in range(0, len(nodes), 2)]
    return [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
