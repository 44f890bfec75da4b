"""Sliding windows with the padding in front of them."""

from hwcost.build.frame import Frame, still
from hwcost.errors import UnknownOperation
from hwcost.graph.spec import Window
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.formulas.formula import Job
from hwcost.synth import window
from hwcost.synth.circuit import shape_of
from hwcost.synth.padding import padded_stream


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
    bits = shape_of(inputs).width
    rows = [filling[start : start + simd] for start in range(0, block.channels, simd)]
    fills = [sum((number & ((1 << bits) - 1)) << (bits * lane) for lane, number in enumerate(row)) for row in rows]
    data, valid, ready = padded_stream(
        frame.circuit, block, fills, (source.data, source.valid, inner.outputs["in_ready"])
    )
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
