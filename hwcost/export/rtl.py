"""RTL of a network on integers: every weight and threshold is a constant, and one result leaves per clock."""

from dataclasses import dataclass, replace
from functools import partial

from amaranth.back import rtlil
from amaranth.hdl import Cat, Signal
from torch import Tensor

from hwcost.errors import HwcostError, UnknownOperation, UnknownPrecision
from hwcost.export.netlist import Netlist, Port, Stream
from hwcost.graph.ranges import between
from hwcost.graph.soundness import check_weights
from hwcost.graph.spec import Layer, MatVec, Pool, Window
from hwcost.graph.trace import Pipeline, Step
from hwcost.integer import LOWERINGS, IntegerNetwork
from hwcost.integer.encoding import Encode, Outside
from hwcost.integer.meaning import Meaning
from hwcost.integer.network import lowering_of
from hwcost.integer.operations import Chain, Comparators, Flat, Meet, Multiply, Operation, Register, Sums, Wire
from hwcost.synth.circuit import Circuit
from hwcost.synth.number import Number, activation, clipped, constant, product, products, shifted, wrapped

REMEDY = "build it of dense layers, or export it to FINN or hls4ml (--to finn, --to qonnx)"


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """Network as RTL.

    Attributes:
        rtlil: in Yosys' own language.
        entering, leaving: what its ports carry.
        cycles: clock cycles from an input to its result.
    """

    rtlil: str
    entering: Port
    leaving: Port
    cycles: int


def unrolled(
    pipeline: Pipeline, *, input_step: float | None, name: str, thresholds: str, sums: str = "apart"
) -> Design:
    """Build the RTL of a traced network; see `hwcost.export.verilog.verilog`."""
    _refuse(pipeline)
    network = IntegerNetwork.of(pipeline, input_step=input_step)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UnknownOperation(
            f"{len(network.inputs)} inputs, {len(network.outputs)} outputs: give a network with one of each"
        )
    meaning = _left(network)
    netlist, (source,) = Netlist(structure=thresholds, sums=sums), network.inputs
    count = source.signal.channels * source.signal.positions
    streams = [Stream([], 0)]
    if source.meaning is not None:
        streams = [netlist.enter(count, source.signal.range, source.meaning)]
    for step, layer in zip(network.steps, pipeline.layers(), strict=True):
        built = _Layer(netlist, step.name, count, layer.inputs[0].positions)
        try:
            streams.append(built.run(step.operation, [streams[place] for place in step.inputs]))
        except HwcostError as fault:
            raise type(fault)(f"{step.name}: {fault}") from fault
    stream, y = netlist.leave(streams[network.outputs[0]])
    bounds = [number.bounds() for number in stream.numbers]
    wire = between(min(low for low, _ in bounds), max(high for _, high in bounds))
    assert netlist.entered is not None and netlist.x is not None
    return Design(
        rtlil=_finished(netlist, netlist.x, y, stream.cycles, name),
        entering=netlist.entered,
        leaving=Port(count=len(bounds), wire=wire, meaning=meaning),
        cycles=stream.cycles,
    )


def _left(network: IntegerNetwork) -> Meaning:
    """Find the meaning of the integers that leave the network."""
    place = network.outputs[0] - len(network.inputs)
    if place < 0:
        raise UnknownOperation("the input leaves as it is; there is nothing to build")
    last = network.steps[place]
    if last.meaning is None:
        raise UnknownPrecision(f"{last.name}: floats leave the network; put a QuantIdentity behind it")
    if last.meaning.maps:
        raise UnknownPrecision(
            f"{last.name}: a batch norm or ReLU that leaves the network has no integers; put a QuantIdentity or "
            "QuantReLU behind it, or end the network in front of it"
        )
    return last.meaning


def _refuse(pipeline: Pipeline) -> None:
    """Refuse all layers that cannot be built, at once."""
    check_weights(pipeline)
    faults = []
    for step, layer in zip(pipeline.steps, pipeline.layers(), strict=True):
        why = _fault(step, layer)
        if why is not None:
            faults.append(f"{step.name}: {why}")
    if faults:
        raise UnknownOperation("\n".join(faults))


def _fault(step: Step, layer: Layer) -> str | None:
    for block in layer.blocks:
        if isinstance(block, Window | Pool) or (isinstance(block, MatVec) and block.vectors * block.groups > 1):
            kind = "pooling" if isinstance(block, Pool) else "a layer that slides over positions (convolution, pooling)"
            return f"{step.kind}: {kind} is not unrolled to Verilog; {REMEDY}"
    try:
        lowering_of(step, LOWERINGS)
    except UnknownOperation as fault:
        return f"{fault}; or {REMEDY}"
    return None


def _finished(netlist: Netlist, x: Signal, y: Signal, cycles: int, name: str) -> str:
    """Add the ports, and the valid bit that accompanies the data."""
    entered, left = Signal(name="in_valid"), Signal(name="out_valid")
    if cycles:
        valid = Signal(cycles, name="valid")
        netlist.module.d.sync += valid.eq(Cat(entered, valid)[:cycles])
        netlist.module.d.comb += left.eq(valid[-1])
    else:
        netlist.module.d.comb += left.eq(entered)
    text = str(rtlil.convert(netlist.module, ports=[entered, x, left, y], name="top", emit_src=False))
    return text.replace("\\top.", f"\\{name}_").replace("module \\top\n", f"module \\{name}\n")


@dataclass(frozen=True, eq=False)
class _Layer:
    """Contribution of one layer to a netlist; an element of a stream has the channel place // positions."""

    netlist: Netlist
    name: str
    count: int
    positions: int

    def run(self, operation: Operation, streams: list[Stream]) -> Stream:
        """Build the operation; return the stream behind it."""
        if isinstance(operation, Chain):
            for part in operation.parts:
                streams = [self.run(part, streams)]
            return streams[0]
        if isinstance(operation, Meet):
            return self._met(operation, streams)
        (stream,) = streams
        if isinstance(operation, Wire | Flat | Outside):
            return stream
        if isinstance(operation, Encode):
            return self.netlist.enter(self.count, operation.range, operation.meaning)
        if isinstance(operation, Multiply):
            factors, addends = _each(operation.factor, stream, self.positions), [0] * len(stream.numbers)
            if operation.addend is not None:
                addends = _each(operation.addend, stream, self.positions)
            return Stream(
                [
                    _scaled(number, factor, addend)
                    for number, factor, addend in zip(stream.numbers, factors, addends, strict=True)
                ],
                stream.cycles,
            )
        if isinstance(operation, Sums) and operation.weight.ndim == 2:
            return self.netlist.stage(self.name, partial(_sums, operation, self.netlist.sums), stream)
        if isinstance(operation, Comparators):
            return self.netlist.stage(self.name, partial(self._compared, operation), stream)
        if isinstance(operation, Register):
            return self.netlist.stage(self.name, partial(self._registered, operation), stream)
        raise UnknownOperation(f"{type(operation).__name__} is not unrolled to Verilog; {REMEDY}")

    def _met(self, operation: Meet, streams: list[Stream]) -> Stream:
        ready = [self.run(grid, [stream]) for grid, stream in zip(operation.grids, streams, strict=True)]
        latest = max(stream.cycles for stream in ready)
        level = [self.netlist.delayed(self.name, stream, latest) for stream in ready]
        numbers = [number for stream in level for number in stream.numbers]
        if operation.chained:
            return Stream(numbers, latest)
        width = len(level[0].numbers)

        def added(circuit: Circuit, x: list[Number]) -> list[Number]:
            return [product(circuit, [1] * len(level), x[place::width]) for place in range(width)]

        return self.netlist.stage(self.name, added, Stream(numbers, latest))

    def _compared(self, operation: Comparators, circuit: Circuit, x: list[Number]) -> list[Number]:
        signs, lowest = operation.sign.tolist(), operation.lowest.tolist()
        rows = operation.thresholds.tolist()
        found = []
        for place, number in enumerate(x):
            channel = place // self.positions
            found.append(
                activation(
                    circuit,
                    number,
                    rows[channel],
                    sign=signs[channel],
                    lowest=lowest[channel],
                    gap=operation.gap,
                    structure=self.netlist.structure,
                )
            )
        return found

    def _registered(self, operation: Register, circuit: Circuit, x: list[Number]) -> list[Number]:
        if operation.mode == "truncate":
            return [shifted(circuit, number, operation.shift) for number in x]
        keep = clipped if operation.mode == "saturate" else wrapped
        lows, highs = (
            (bound.expand(len(x) // self.positions).repeat_interleave(self.positions)).tolist()
            for bound in (operation.low, operation.high)
        )
        return [keep(circuit, number, low, high) for number, low, high in zip(x, lows, highs, strict=True)]


def _sums(operation: Sums, sums: str, circuit: Circuit, x: list[Number]) -> list[Number]:
    biases = [0] * len(operation.weight) if operation.bias is None else operation.bias.tolist()
    if sums == "shared":
        return products(circuit, operation.weight.tolist(), x, biases)
    return [product(circuit, row, x, bias) for row, bias in zip(operation.weight.tolist(), biases, strict=True)]


def _each(number: Tensor, stream: Stream, positions: int) -> list[int]:
    channels = len(stream.numbers) // positions
    return [int(value) for value in number.reshape(-1).expand(channels).repeat_interleave(positions).tolist()]


def _scaled(number: Number, factor: int, addend: int) -> Number:
    """Scale without hardware: the reader of the number multiplies."""
    if factor == 0 or number.known:
        return constant(factor * number.bounds()[0] + addend)
    return replace(number, gain=number.gain * factor, offset=number.offset * factor + addend)
