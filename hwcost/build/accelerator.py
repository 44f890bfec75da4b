"""An accelerator: the units of a network joined by copies, converters and FIFOs, behind AXI4-Stream ports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import lcm, prod

from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockDomain, Module, Mux, Signal

from hwcost.build.frame import coded, split
from hwcost.build.layout import Edge, Layout, Node
from hwcost.errors import BadOption
from hwcost.graph.ranges import Range
from hwcost.models.calibration.corpus import Unit
from hwcost.models.formulas.streams import MOST_SRL
from hwcost.synth import links
from hwcost.synth.circuit import Circuit, shape_of, within
from hwcost.synth.measure import Design


@dataclass(frozen=True, eq=False)
class Pipe:
    """A stream between two units, in the module that joins them."""

    data: Signal
    valid: Signal
    ready: Signal
    lanes: int
    wire: Range


@dataclass(frozen=True, eq=False)
class _Queue:
    """A FIFO: valid and ready where it is written, words that it holds now, and at most."""

    given: tuple[Signal, Signal]
    level: Signal | None
    words: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe:
    """Wires of a stream that a test bench watches.

    Attributes:
        name: of the stream.
        reader: of the unit that reads it.
        state: bits for valid and ready where it is written, then where it is read.
        level: words in its FIFO; None without one.
        depth: as priced, in words; 0 without a FIFO.
        fifo: words that its FIFO holds.
    """

    name: str
    reader: str
    state: Signal
    level: Signal | None
    depth: int
    fifo: int


@dataclass(eq=False, kw_only=True)
class Accelerator:
    """A whole pipeline as RTL.

    Attributes:
        layout: its units and streams.
        circuit: with every unit inside.
        clk, resetn: clock, and reset while low.
        entering, leaving: its ports; last: whether a word is the last of its frame.
        units: module name -> circuit.
        probes: streams that can be watched.
        words: per frame, in and out.
    """

    layout: Layout
    circuit: Circuit = field(default_factory=Circuit)
    clk: Signal = field(default_factory=lambda: Signal(name="aclk"))
    resetn: Signal = field(default_factory=lambda: Signal(name="aresetn"))
    entering: Pipe
    leaving: Pipe
    last: Signal = field(default_factory=lambda: Signal(name="m_axis_tlast"))
    units: dict[str, Circuit] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)

    @property
    def module(self) -> Module:
        """The module that joins the units."""
        return self.circuit.module

    @property
    def words(self) -> tuple[int, int]:
        """Words of a frame: that enter, and that leave."""
        assert self.layout.read is not None and self.layout.left is not None
        return (
            prod(self.layout.read[1]) // self.entering.lanes,
            max(1, prod(self.layout.left.shape)) // self.leaving.lanes,
        )

    def designs(self) -> list[Design]:
        """The units, each to be counted on its own, without the levels of FIFOs that only a test bench reads."""
        in_dsp = {node.name for node in self.layout.nodes if node.job.multipliers == "dsp"}
        found = []
        for name, unit in self.units.items():
            ports = {port: wire for port, wire in unit.outputs.items() if port != "level"}
            seen = Circuit(module=unit.module, inputs=unit.inputs, outputs=ports, inside=unit.inside)
            found.append(Design(name, seen.rtlil(), dsp=name in in_dsp))
        return found

    def rtlil(self) -> str:
        """The modules in Yosys' own language; the one that joins them is `top`."""
        pipes = (self.entering, self.leaving)
        ports = [self.clk, self.resetn, *(wire for pipe in pipes for wire in (pipe.data, pipe.valid, pipe.ready))]
        ports.append(self.last)
        text = str(rtlil.convert(self.module, ports=ports, name="top", emit_src=False))
        head, *modules = re.split(r"^(?=module )", text, flags=re.MULTILINE)
        inside = {f"module \\top.{name}" for name, circuit in self.units.items() if circuit.inside}
        return head + "".join(within(one) if one.split("\n", 1)[0] in inside else one for one in modules)


def accelerator(layout: Layout) -> Accelerator:
    """Join the units of a layout.

    Raises:
        BadOption: a network in which nothing is built.
    """
    if not layout.nodes or layout.read is None or layout.left is None:
        raise BadOption("build: the network has no hardware in it; trace a network with quantized layers")
    return _Joint(layout).joined()


def _bytes(bits: int) -> int:
    return -(-bits // 8) * 8


class _Joint:
    """An accelerator under construction."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.out: dict[Node | None, list[Edge]] = {}
        for edge in layout.edges:
            self.out.setdefault(edge.source, []).append(edge)
        assert layout.read is not None and layout.left is not None and layout.left.node is not None
        first = self.out[None][0]
        assert first.sink is not None
        last = layout.left.node.frame.leaving[0]
        self.made = Accelerator(
            layout=layout,
            entering=self._port("s_axis", first.sink.frame.entering[first.port].lanes, layout.read[0]),
            leaving=self._port("m_axis", last.lanes, layout.left.wire),
        )
        self.module = self.made.module

    @staticmethod
    def _port(name: str, lanes: int, wire: Range) -> Pipe:
        data = Signal(_bytes(lanes * shape_of(wire).width), name=f"{name}_tdata")
        return Pipe(data, Signal(name=f"{name}_tvalid"), Signal(name=f"{name}_tready"), lanes, wire)

    def joined(self) -> Accelerator:
        """Every unit with the streams that it reads."""
        made, module = self.made, self.module
        domain = ClockDomain("sync")
        domain.clk = made.clk
        module.domains.sync = domain
        module.d.comb += domain.rst.eq(~made.resetn)
        for node in self.layout.nodes:
            self._place(node.name, node.frame.circuit)
        self._fan(made.entering, self.out[None], "input")
        for node in self.layout.nodes:
            port = node.frame.leaving[0]
            self._fan(Pipe(port.data, port.valid, port.ready, port.lanes, port.wire), self.out[node], node.name)
        return made

    def _place(self, name: str, circuit: Circuit) -> None:
        setattr(self.module.submodules, name, circuit.module)
        self.made.units[name] = circuit

    def _fan(self, pipe: Pipe, edges: list[Edge], name: str) -> None:
        """One stream to all its readers."""
        if len(edges) == 1:
            self._link(pipe, edges[0])
            return
        inner = links.copy(Unit(kind="copy", geometry=str(len(edges))), "")
        self._place(f"{name}_copy", inner)
        self.module.d.comb += [inner.inputs["in_valid"].eq(pipe.valid), pipe.ready.eq(inner.outputs["in_ready"])]
        for place, edge in enumerate(edges):
            ready = Signal(name=f"{name}_copy{place}_ready")
            self.module.d.comb += inner.inputs[f"out_ready{place}"].eq(ready)
            one = Pipe(pipe.data, inner.outputs[f"out_valid{place}"], ready, pipe.lanes, pipe.wire)
            self._link(one, edge)

    def _link(self, pipe: Pipe, edge: Edge) -> None:
        """The stream from a unit to one that reads it: converted, kept in a FIFO."""
        module = self.module
        if edge.sink is None:
            self._leave(pipe, edge)
            return
        port = edge.sink.frame.entering[edge.port]
        stem = edge.sink.name if len(edge.sink.frame.entering) == 1 else f"{edge.sink.name}_{edge.port}"
        bits = shape_of(edge.wire).width
        word = Signal(pipe.lanes * bits, name=f"{stem}_link")
        parts = split(pipe.data, pipe.lanes, pipe.wire)
        module.d.comb += word.eq(Cat(coded(part, pipe.wire, edge.wire, edge.shift) for part in parts))
        now = Pipe(word, pipe.valid, pipe.ready, pipe.lanes, edge.wire)
        whole = lcm(pipe.lanes, port.lanes)
        queue = _Queue((now.valid, now.ready), None, 0)
        if edge.adapter.depth and edge.adapter.ahead:
            now, queue = self._queued(now, edge.adapter.depth, f"{stem}_fifo")
        if whole != pipe.lanes:
            now = self._through(now, "up", whole // pipe.lanes, pipe.lanes * bits, whole, f"{stem}_collect")
        if whole != port.lanes:
            now = self._through(now, "down", whole // port.lanes, port.lanes * bits, port.lanes, f"{stem}_shift")
        if not edge.adapter.ahead:
            queue = _Queue((now.valid, now.ready), None, 0)
        if edge.adapter.depth and not edge.adapter.ahead:
            now, queue = self._queued(now, edge.adapter.depth, f"{stem}_fifo")
        parts = split(now.data, now.lanes, now.wire)
        module.d.comb += [
            port.data.eq(Cat(coded(part, now.wire, port.wire) for part in parts)),
            port.valid.eq(now.valid),
            now.ready.eq(port.ready),
        ]
        state = Signal(4, name=f"{stem}_state")
        module.d.comb += state.eq(Cat(*queue.given, now.valid, now.ready))
        self.made.probes.append(
            Probe(
                name=stem,
                reader=edge.sink.name,
                state=state,
                level=queue.level,
                depth=edge.adapter.depth,
                fifo=queue.words,
            )
        )

    def _through(self, pipe: Pipe, way: str, words: int, bits: int, lanes: int, name: str) -> Pipe:
        """A converter of word widths."""
        inner = links.converter(Unit(kind="converter", structure=way, geometry=f"{words}x{bits}"), "")
        return self._inserted(pipe, inner, lanes, name)

    def _inserted(self, pipe: Pipe, inner: Circuit, lanes: int, name: str) -> Pipe:
        self._place(name, inner)
        self.module.d.comb += [
            inner.inputs["data"].eq(pipe.data),
            inner.inputs["in_valid"].eq(pipe.valid),
            pipe.ready.eq(inner.outputs["in_ready"]),
        ]
        ready = inner.inputs["out_ready"]
        return Pipe(inner.outputs["word"], inner.outputs["out_valid"], ready, lanes, pipe.wire)

    def _queued(self, pipe: Pipe, depth: int, name: str) -> tuple[Pipe, _Queue]:
        shallow = depth <= MOST_SRL["rtl"]
        held = max(2, depth) if shallow else 1 << (depth - 1).bit_length()
        unit = Unit(kind="fifo", structure="srl" if shallow else "bram18", geometry=f"{held}x{len(pipe.data)}")
        inner = links.fifo(unit, self.layout.setting.fabric.family, watched=True)
        queued = self._inserted(pipe, inner, pipe.lanes, name)
        level = Signal(len(inner.outputs["level"]), name=f"{name}_level")
        self.module.d.comb += level.eq(inner.outputs["level"])
        return queued, _Queue((pipe.valid, pipe.ready), level, held)

    def _leave(self, pipe: Pipe, edge: Edge) -> None:
        made, module = self.made, self.module
        parts = split(pipe.data, pipe.lanes, pipe.wire)
        port = made.leaving
        module.d.comb += [
            port.data.eq(Cat(coded(part, pipe.wire, edge.wire, edge.shift) for part in parts)),
            port.valid.eq(pipe.valid),
            pipe.ready.eq(port.ready),
        ]
        words = made.words[1]
        count = Signal(range(max(2, words)), name="words_left")
        module.d.comb += made.last.eq(count == words - 1)
        if words > 1:
            with module.If(port.valid & port.ready):
                module.d.sync += count.eq(Mux(made.last, 0, count + 1))
