"""Sliding windows with the padding in front of them."""

from amaranth.hdl import Const, Mux, Signal, Value

from hwcost.build.frame import Frame, Port, still
from hwcost.errors import UnknownOperation
from hwcost.graph.spec import Window
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.formulas.formula import Job
from hwcost.synth import window
from hwcost.synth.circuit import shape_of


def build(job: Job, together: int | None, filling: list[int]) -> Frame:
    """One unit.

    Args:
        job: the block with its fold.
        together: channels that belong to one product; None for all.
        filling: what stands around the image, (channels,), in the order of the stream.

    Raises:
        UnknownOperation: what no walk through the image gives in the order of the product.
    """
    block, fold = job.block, job.parallel
    assert isinstance(block, Window)
    simd = fold.simd
    if together is not None and together % simd and simd % together:
        raise UnknownOperation(f"words of {simd} channels, products of {together}: choose a fold that divides")
    if together is not None and simd > together > 1:
        raise UnknownOperation(
            f"words of {simd} channels hold several groups of {together}; fold the unit behind it to PE at most the "
            "outputs of one group"
        )
    frame, inputs = Frame(), still(block.input)
    padded = [size + before + after for size, (before, after) in zip(block.image, block.padding, strict=True)]
    one = Unit(
        kind="window",
        input=name_of(inputs),
        simd=simd,
        structure="parallel" if fold.parallel_window else "serial",
        geometry=" ".join(
            (str(block.channels), *(_pair(s, 1) for s in (padded, block.kernel, block.stride, block.dilation)), "0x0")
        ),
    )
    pixels = _area(block.kernel) if fold.parallel_window else 1
    source, sink = frame.enter(simd, inputs), frame.leave(simd * pixels, inputs)
    inner = window.build(one, "", None if together is None else max(1, together // simd))
    data, valid, ready = _padded(frame, block, source, filling, inner.outputs["in_ready"])
    frame.hold(inner, "unit", data=data, in_valid=valid, out_ready=sink.ready)
    frame.drive((source.ready, ready), (sink.valid, inner.outputs["out_valid"]), (sink.data, inner.outputs["window"]))
    return frame


def _area(kernel: tuple[int, ...]) -> int:
    area = 1
    for size in kernel:
        area *= size
    return area


def _pair(sizes: tuple[int, ...] | list[int], alone: int) -> str:
    return "x".join(map(str, (alone, *sizes) if len(sizes) == 1 else sizes))


def _padded(frame: Frame, block: Window, source: Port, filling: list[int], ready: Value) -> tuple[Value, Value, Value]:
    """The words of the image with what stands around and between its pixels: data, valid, ready."""
    if any(pad < 0 for pair in block.padding for pad in pair):
        raise UnknownOperation("padding below 0 cuts pixels off, which is not built; crop the input instead")
    spread = block.spread or (1,) * len(block.image)
    if not any(pad for pair in block.padding for pad in pair) and max(spread) == 1:
        return source.data, source.valid, ready
    module, circuit = frame.circuit.module, frame.circuit
    words = block.channels // source.lanes
    image = list(zip(block.image, block.padding, spread, strict=True))
    valid = Signal(name="padded_valid")
    inside: Value = Const(1, 1)
    step = circuit.node(valid & ready)
    word = Signal(range(max(2, words)), name="pad_word")
    carry = step
    if words > 1:
        with module.If(step):
            module.d.sync += word.eq(Mux(word == words - 1, 0, word + 1))
        carry = circuit.node(step & (word == words - 1))
    for axis, (size, (before, after), gap) in reversed(list(enumerate(image))):
        whole = size + before + after
        place = Signal(range(max(2, whole)), name=f"pad_at{axis}")
        last = circuit.node(place == whole - 1)
        with module.If(carry):
            module.d.sync += place.eq(Mux(last, 0, place + 1))
        within = [Const(1, 1)]
        within += [place >= before] if before else []
        within += [place < before + size] if after else []
        if gap > 1:
            phase = Signal(range(gap), name=f"pad_phase{axis}")
            with module.If(carry):
                module.d.sync += phase.eq(Mux(last | (place < before) | (phase == gap - 1), 0, phase + 1))
            within.append(phase == 0)
        for one in within:
            inside = inside & one
        carry = circuit.node(carry & last)
    inside = circuit.node(inside)
    frame.drive((valid, source.valid | ~inside))
    bits = shape_of(source.wire).width
    rows = [filling[start : start + source.lanes] for start in range(0, block.channels, source.lanes)]
    fills = [sum((number & ((1 << bits) - 1)) << (bits * lane) for lane, number in enumerate(row)) for row in rows]
    fill: Value = Const(fills[0], len(source.data))
    if len(set(fills)) > 1:
        from hwcost.synth.memory import Ram

        fill = circuit.node(Ram(module, "filling", words, len(source.data), "logic", fills).read(word))
    return circuit.node(Mux(inside, source.data, fill)), valid, circuit.node(ready & inside)
