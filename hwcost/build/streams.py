"""Units that work on a stream as it passes: pooling, sums and joins of two streams, clips, factors, the label."""

from math import prod

import torch
from amaranth.hdl import Cat, Mux, Signal, Value
from torch import Tensor

from hwcost.build.frame import Frame, coded, split, still
from hwcost.graph import spec
from hwcost.graph.ranges import Range
from hwcost.integer.operations import Multiply
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.formulas.formula import Job
from hwcost.synth import links, streams
from hwcost.synth.circuit import shape_of
from hwcost.synth.memory import Ram, packed


def pool(job: Job, signs: Tensor) -> Frame:
    """Largest or sum of a window; where a channel's sign is -1, the smallest.

    Args:
        job: the block with its fold.
        signs: int64 (channels,), in the order of the stream.
    """
    block, fold = job.block, job.parallel
    assert isinstance(block, spec.Pool)
    inputs, output = still(block.input), still(block.output)
    frame = Frame()
    source, sink = frame.enter(fold.pe * fold.simd, inputs), frame.leave(fold.pe, output)
    one = Unit(
        kind="pool",
        input=name_of(inputs),
        output=name_of(output),
        pe=fold.pe,
        simd=fold.simd,
        structure=block.kind,
        geometry="x".join(map(str, block.kernel)),
    )
    inner = streams.pool(one, "")
    frame.hold(inner, "unit", in_valid=source.valid, out_ready=sink.ready)
    frame.drive((source.ready, inner.outputs["in_ready"]), (sink.valid, inner.outputs["out_valid"]))
    taken = source.valid & source.ready
    entering = _turns(frame, "entering", signs, fold.pe, taken, prod(block.kernel) // fold.simd)
    leaving = _turns(frame, "leaving", signs, fold.pe, sink.valid & sink.ready, 1)
    elements = source.elements()  # pixel by pixel, the channels of each side by side
    for p in range(fold.pe):
        for s in range(fold.simd):
            frame.drive((inner.inputs[f"x{p}_{s}"], _turned(elements[s * fold.pe + p], entering[p])))
    frame.drive((sink.data, Cat(_turned(inner.outputs[f"y{p}"], leaving[p]) for p in range(fold.pe))))
    return frame


def _turns(frame: Frame, name: str, signs: Tensor, pe: int, taken: Value, each: int) -> list[Value | int]:
    """Whether the order of a lane's channel is reversed now; channels take turns after `each` words."""
    rows = (signs < 0).to(torch.int64).reshape(-1, pe)
    if len({tuple(row) for row in rows.tolist()}) == 1:
        return list(rows[0].tolist())
    turn = counter(frame, name, len(rows) * each, taken)
    cells = Ram(
        frame.circuit.module, f"{name}_signs", len(rows) * each, pe, "logic", packed(rows.repeat_interleave(each, 0), 1)
    )
    word = frame.circuit.node(cells.read(turn))
    return [word[p] for p in range(pe)]


def _turned(value: Value, reversed_: Value | int) -> Value:
    """A code whose order is reversed: all bits inverted."""
    if isinstance(reversed_, int):
        return ~value if reversed_ else value
    return (value ^ reversed_.replicate(len(value)))[: len(value)]


def counter(frame: Frame, name: str, size: int, step: Value) -> Signal:
    """Count steps, round and round."""
    count = Signal(range(max(2, size)), name=name)
    if size > 1:
        with frame.circuit.module.If(step):
            frame.circuit.module.d.sync += count.eq(Mux(count == size - 1, 0, count + 1))
    return count


def adder(job: Job) -> Frame:
    """Sum of two streams, which wait for one another."""
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, spec.Adder)
    frame = Frame()
    left, right = (frame.enter(pe, still(wire)) for wire in (block.left, block.right))
    sink = frame.leave(pe, still(block.output))
    one = Unit(kind="adder", input=name_of(left.wire), output=name_of(right.wire), pe=pe)
    inner = frame.hold(streams.adder(one, ""), "unit", in_valid=left.valid & right.valid, out_ready=sink.ready)
    ready = inner.outputs["in_ready"]
    frame.drive((left.ready, ready & right.valid), (right.ready, ready & left.valid))
    frame.drive((sink.valid, inner.outputs["out_valid"]))
    for name, port in (("a", left), ("b", right)):
        frame.drive(*((inner.inputs[f"{name}{p}"], x) for p, x in enumerate(port.elements())))
    y, total = shape_of(sink.wire), [inner.outputs[f"y{p}"] for p in range(pe)]
    frame.drive((sink.data, Cat(coded(one, sink.wire, sink.wire)[: y.width] for one in total)))
    return frame


def concat(job: Job, wires: list[Range]) -> Frame:
    """Streams joined along their channels: of every pixel, the words of one after those of the other."""
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, spec.Concat)
    frame = Frame()
    output = still(block.output)
    ports = [frame.enter(pe, output) for _ in wires]
    sink = frame.leave(pe, output)
    turn = Signal(range(len(ports)), name="turn")
    valid = frame.circuit.node(Cat(port.valid for port in ports).bit_select(turn, 1))
    full, word = Signal(name="full"), Signal(len(sink.data), name="word", reset_less=True)
    free = frame.circuit.node(sink.ready | ~full)
    taken = frame.circuit.node(valid & free)
    module = frame.circuit.module
    counts = [channels // pe for channels in block.streams]
    count = Signal(range(max(2, *counts)), name="count")
    last = frame.circuit.node(Cat(count == size - 1 for size in counts).bit_select(turn, 1))
    with module.If(free):
        module.d.sync += full.eq(valid)
    with module.If(taken):
        module.d.sync += [
            word.eq(Cat(port.data for port in ports).word_select(turn, len(sink.data))),
            count.eq(Mux(last, 0, count + 1)),
        ]
        with module.If(last):
            module.d.sync += turn.eq(Mux(turn == len(ports) - 1, 0, turn + 1))
    frame.drive(*((port.ready, free & (turn == place)) for place, port in enumerate(ports)))
    frame.drive((sink.valid, full), (sink.data, word))
    return frame


def saturate(job: Job) -> Frame:
    """Clip to a narrower range."""
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, spec.Saturate)
    frame = Frame()
    inputs, output = still(block.input), still(block.output)
    frame.enter(pe, inputs), frame.leave(pe, output)
    inner = streams.saturate(Unit(kind="saturate", input=name_of(inputs), output=name_of(output), pe=pe), "")
    return frame.through(inner, [f"x{p}" for p in range(pe)], [f"y{p}" for p in range(pe)])


def scale_bias(job: Job, trained: Multiply) -> Frame:
    """Factor and addend per channel, in the order of the stream."""
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, spec.ScaleBias)
    frame = Frame()
    inputs, weight, output = still(block.input), still(block.weight), still(block.output)
    source, _ = frame.enter(pe, inputs), frame.leave(pe, output)
    biased = trained.addend is not None
    one = Unit(
        kind="scale_bias",
        input=name_of(inputs),
        weight=name_of(weight),
        output=name_of(output),
        pe=pe,
        structure="bias" if biased else "scale",
    )
    inner = streams.scale_bias(one, "")
    turn = counter(frame, "turn", block.channels // pe, source.valid & source.ready)
    for name, wire, numbers in (("w", weight, trained.factor), ("b", output, trained.addend)):
        if numbers is not None:
            bits = shape_of(wire).width
            words = packed((numbers.expand(block.channels) & ((1 << bits) - 1)).reshape(-1, pe), bits)
            cells = Ram(frame.circuit.module, f"{name}s", len(words), pe * bits, "logic", words)
            parts = split(frame.circuit.node(cells.read(turn)), pe, wire)
            frame.drive(*((inner.inputs[f"{name}{p}"], part) for p, part in enumerate(parts)))
    return frame.through(inner, [f"x{p}" for p in range(pe)], [f"y{p}" for p in range(pe)])


def label(job: Job, inputs: Range) -> Frame:
    """Index of the largest."""
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, spec.LabelSelect)
    frame = Frame()
    frame.enter(pe, inputs), frame.leave(1, still(block.output))
    one = Unit(kind="label", input=name_of(inputs), pe=pe, geometry=str(block.channels))
    return frame.through(links.label(one, ""), [f"x{p}" for p in range(pe)], "label")
