"""RTL of sliding windows: a cyclic buffer read element by element, or line buffers that show a whole window."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Mux, Signal, ValueLike, unsigned

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.calibration.unit_prices import block_of
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.models.formulas.registers import pads
from hwcost.models.formulas.window import buffer_words
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import Ram
from hwcost.synth.padding import padded_stream


def build(unit: Unit, family: str, together: int | None = None) -> Circuit:
    """`data` with `in_valid`, `in_ready` to the elements of the windows with `out_valid`, `out_ready`.

    Args:
        unit: what to build; zeros stand around the image that enters.
        family: unused; windows are alike in all.
        together: words of a pixel that belong to one product; None for all. Products follow one another, each with all
            pixels of its window: 1 keeps the channels of a depthwise convolution or a pooling apart.
    """
    inner = _whole(unit) if unit.structure == "parallel" else _serial(unit, together)
    block = block_of(unit)
    if not pads(block):
        return inner
    circuit = Circuit()
    names = ("data", "in_valid", "out_ready")
    data, valid, ready = (circuit.input(name, len(inner.inputs[name])) for name in names)
    circuit.module.submodules.window = inner.module
    zeros = [0] * (block.channels // unit.simd)
    entering, offered, taken = padded_stream(circuit, block, zeros, (data, valid, inner.outputs["in_ready"]))
    for name, value in zip(names, (entering, offered, ready), strict=True):
        circuit.module.d.comb += inner.inputs[name].eq(value)
    circuit.output("in_ready", taken)
    for name in ("window", "out_valid"):
        circuit.output(name, inner.outputs[name])
    return circuit


@dataclass(frozen=True)
class Walk:
    """The order in which the windows of an image are read, word by word.

    Attributes:
        sizes: steps of the loops, the innermost first: words of a pixel, kernel columns, kernel rows..., products,
            output columns, output rows...
        jumps: how far the next word lies ahead when the loops inside each one have come round.
        words: of a padded image.
    """

    sizes: tuple[int, ...]
    jumps: tuple[int, ...]
    words: int


def walk(unit: Unit, together: int | None = None) -> Walk:
    """The loops of a window; `together` as in `build`."""
    block = block_of(unit)
    fold = block.channels // unit.simd
    within = fold if together is None else together
    inner = []  # words from one pixel to the next along each dimension, the innermost first
    whole = fold
    for size, (before, after) in zip(reversed(block.image), reversed(block.padding), strict=True):
        inner.append(whole)
        whole *= size + before + after
    taps, moves = (
        [one * way for one, way in zip(reversed(apart), inner, strict=True)] for apart in (block.dilation, block.stride)
    )
    sizes = [within, *reversed(block.kernel), fold // within, *reversed(block.output)]
    ways = [1, *taps, within, *moves]  # where each loop starts again, counted from its own start
    jumps = []
    for level, way in enumerate(ways):
        inside = sum((sizes[below] - 1) * ways[below] for below in range(level))
        jumps.append(way - inside)
    return Walk(tuple(sizes), tuple(jumps), whole)


def _serial(unit: Unit, together: int | None) -> Circuit:
    circuit = Circuit()
    module, path = circuit.module, walk(unit, together)
    depth = max(2, buffer_words(block_of(unit), unit.simd))
    style = "distributed" if depth <= AUTO_LUTRAM_DEPTH["rtl"] else "block"
    bits = unit.simd * int(wire(unit.input).bits)
    data, valid, ready = circuit.input("data", bits), circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    cells = Ram(module, "lines", depth, bits, style)
    # counted since the start of the image: words written, the word to read, the first word of the next window
    reach = unsigned(path.words.bit_length() + 1)
    written, current, start = (Signal(reach, name=name) for name in ("written", "current", "start"))
    into, out = (Signal(range(depth), name=name) for name in ("into", "out"))
    room, present = Signal(name="room"), Signal(name="present")
    finished = Signal(name="finished")  # what nobody reads any more is let in and forgotten
    module.d.comb += [
        room.eq(((written - start < depth) | finished) & (written != path.words)),
        present.eq((current < written) & ~finished),
    ]
    accept, step, full = Signal(name="accept"), Signal(name="step"), Signal(name="full")
    module.d.comb += [accept.eq(valid & room), step.eq(present & (ready | ~full))]
    with module.If(accept):
        module.d.sync += [written.eq(written + 1), into.eq(_around(into + 1, depth))]
    cells.write(into, data, accept)
    wraps, jump, done = _loops(circuit, path, step)
    with module.If(step):
        module.d.sync += [current.eq(current + jump), out.eq(_around(out + jump, depth))]
        with module.If(wraps[len(block_of(unit).kernel) + 1]):
            module.d.sync += start.eq((current + jump)[: reach.width])
        with module.If(done):
            module.d.sync += finished.eq(1)
    with module.If(finished & (written == path.words)):
        module.d.sync += [register.eq(0) for register in (written, current, start, into, out, finished)]
    with module.If(ready | ~full):
        module.d.sync += full.eq(present)
    word = cells.read(out, step)
    if style == "block":
        circuit.output("window", word)
    else:
        circuit.output("window", word, enable=step)
    circuit.output("out_valid", full)
    circuit.output("in_ready", room)
    return circuit


def _around(address: ValueLike, depth: int) -> ValueLike:
    """An address of a cyclic buffer that may have run over either end by less than its depth."""
    if depth & (depth - 1) == 0:
        return address[: depth.bit_length() - 1]
    over, under = address - depth, address + depth
    if not address.shape().signed:
        return Mux(address >= depth, over, address)
    return Mux(address < 0, under, Mux(address >= depth, over, address))


def _loops(circuit: Circuit, path: Walk, step: ValueLike) -> tuple[list[ValueLike], ValueLike, ValueLike]:
    """Counters of the loops: which come round with this word, how far the next word lies, whether it was the last."""
    module = circuit.module
    wraps: list[ValueLike] = []
    inside: ValueLike = 1
    jump: ValueLike = path.jumps[0]
    for level, size in enumerate(path.sizes):
        count = Signal(range(max(2, size)), name=f"count{level}")
        wrap = Signal(name=f"wrap{level}")
        module.d.comb += wrap.eq(inside & (count == size - 1))
        if size > 1:
            with module.If(step & inside):
                module.d.sync += count.eq(Mux(count == size - 1, 0, count + 1))
        wraps.append(wrap)
        if level + 1 < len(path.jumps):
            jump = Mux(wrap, path.jumps[level + 1], jump)
        inside = wrap
    return wraps, circuit.node(jump), wraps[-1]


def _whole(unit: Unit) -> Circuit:
    """Kernel rows from line buffers, kernel columns from registers; a window is shown when it is complete."""
    circuit = Circuit()
    module, block = circuit.module, block_of(unit)
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = block.kernel, block.stride, block.dilation
    height, width = (size + 2 * pad[0] for size, pad in zip(block.image, block.padding, strict=True))
    fold = block.channels // unit.simd
    bits = unit.simd * int(wire(unit.input).bits)
    data, valid, ready = circuit.input("data", bits), circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    full, step = Signal(name="full"), Signal(name="step")
    module.d.comb += step.eq(valid & (ready | ~full))
    depth = width * fold * d_h
    pointer = Signal(range(max(2, depth)), name="pointer")
    style = "distributed" if depth <= AUTO_LUTRAM_DEPTH["rtl"] else "block"
    period = depth if style == "distributed" else depth - 1  # a block RAM is a register longer
    with module.If(step):
        module.d.sync += pointer.eq(Mux(pointer == period - 1, 0, pointer + 1))
    stream: ValueLike = data
    pixels: list[ValueLike] = []
    for row in range(k_h):
        pixels = _taps(circuit, f"{row}", stream, bits, k_w, d_w * fold, step) + pixels
        if row + 1 < k_h:
            cells = Ram(module, f"lines{row}", depth, bits, style, swaps=True)
            old = cells.read(pointer, step)
            cells.write(pointer, stream, step)
            stream = old
    complete = _complete(circuit, (fold, width, height), (k_h, k_w), (s_h, s_w), (d_h, d_w), step)
    with module.If(ready | ~full):
        module.d.sync += full.eq(complete & valid)
    circuit.output("window", Cat(*pixels), enable=step)
    circuit.output("out_valid", full)
    circuit.output("in_ready", ready | ~full)
    return circuit


def _taps(
    circuit: Circuit, name: str, stream: ValueLike, bits: int, count: int, apart: int, step: ValueLike
) -> list[ValueLike]:
    """The stream now and `count` - 1 times `apart` words ago, the oldest first."""
    taps = [stream]
    for tap in range(1, count):
        for delay in range(apart):
            register = Signal(bits, name=f"pixel{name}_{tap}_{delay}", reset_less=True)
            with circuit.module.If(step):
                circuit.module.d.sync += register.eq(stream)
            stream = register
        taps.insert(0, stream)
    return taps


def _complete(
    circuit: Circuit,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    step: ValueLike,
) -> ValueLike:
    """Whether the word that enters completes a window: counters over the image, phases of the strides."""
    module = circuit.module
    counts = [Signal(range(max(2, size)), name=f"at{level}") for level, size in enumerate(image)]
    inside: ValueLike = step
    for count, size in zip(counts, image, strict=True):
        if size > 1:
            with module.If(inside):
                module.d.sync += count.eq(Mux(count == size - 1, 0, count + 1))
            inside = inside & (count == size - 1)
    found: ValueLike = 1
    _, x, y = counts
    moves = (step & (counts[0] == image[0] - 1), step & (counts[0] == image[0] - 1) & (x == image[1] - 1))
    axes = ((x, image[1], kernel[1], stride[1], dilation[1]), (y, image[2], kernel[0], stride[0], dilation[0]))
    for axis, (move, (count, size, k, s, d)) in enumerate(zip(moves, axes, strict=True)):
        first = (k - 1) * d
        found = found & (count >= first)
        if s > 1:
            phase = Signal(range(s), name=f"phase{axis}")
            with module.If(move):
                module.d.sync += phase.eq(Mux((phase == s - 1) | (count < first), 0, phase + 1))
                with module.If(count == size - 1):
                    module.d.sync += phase.eq(0)
            found = found & (phase == 0)
    return found
