"""Arrival cycles of the first and last word of a frame at each unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from hwcost.graph.blocks import ChannelSum, Reorder, Repeat
from hwcost.graph.spec import MatVec, Pool, Window
from hwcost.models.formulas.formula import Job

UNIT_CYCLES = 4
"""Pipeline of a matrix-vector unit. Source: 114 of 114 published units take 3, 4 or 5 cycles more than their folds."""

CONVERTER_CYCLES = 4
"""Delay of the last word by a converter of stream widths. Source: the two rows under `latency.latency_cycles`."""

STAGE_CYCLES = 1
"""Register of any other unit, or of one stage of a threshold search; not measured."""


@dataclass(frozen=True)
class Stream:
    """Arrival of the words of a frame.

    Attributes:
        first, last: cycle of the first and of the last word of a frame, counted from 0.
        lanes: elements per word; None where the producer takes any.
    """

    first: float
    last: float
    lanes: int | None


SOURCE = Stream(0.0, 0.0, None)
"""Input of the network: it waits at the port, and is taken at the speed of the first unit."""


def joined(streams: Sequence[Stream]) -> Stream:
    """Join the streams of a block that waits for all of them."""
    if not streams:
        return SOURCE
    lanes = streams[0].lanes if len({stream.lanes for stream in streams}) == 1 else None
    return Stream(max(stream.first for stream in streams), max(stream.last for stream in streams), lanes)


def through(stream: Stream, job: Job, busy: float, stages: int) -> Stream:
    """Derive the stream that leaves a block.

    Args:
        stream: what it reads.
        job: the block; one without a fold takes and gives words of any width.
        busy: its cycles per inference.
        stages: registers of a block that is neither a unit nor a window.
    """
    if job.fold is None:
        return Stream(stream.first + stages, max(stream.last, stream.first + busy - 1) + stages, None)
    inward, outward = lanes(job)
    converted = stream.lanes is not None and stream.lanes != inward
    last = stream.last + (CONVERTER_CYCLES if converted else 0)
    head, tail, depth = _work(stream, job, int(busy), stages)
    end = max(last + tail, stream.first + busy - 1)
    return Stream(head + depth, end + depth, outward)


def _work(stream: Stream, job: Job, busy: int, stages: int) -> tuple[float, int, int]:
    """(cycle of the first result, work left after the last input, depth of the pipeline)."""
    block, fold = job.block, job.parallel
    spread = stream.last - stream.first
    if isinstance(block, MatVec):
        folds = block.cols // fold.simd
        head = max(stream.first + folds - 1, stream.first + spread / block.vectors)
        return head, busy // block.vectors - folds, UNIT_CYCLES + len(job.cuts)
    if isinstance(block, Window):
        filled = _filled(block)
        words = block.channels // fold.simd * prod(block.image)
        head = stream.first + max(filled * words, filled * spread)
        tail = 0 if fold.parallel_window else prod(block.kernel) * (block.channels // fold.simd)
        return head, tail, stages
    if isinstance(block, Pool):
        window = max(1, prod(block.kernel) // fold.simd)
        return stream.first + max(window - 1, spread / block.vectors), 0, stages
    if isinstance(block, Repeat | Reorder):
        held = block.held * (block.channels if isinstance(block, Repeat) else 1)
        share = min(1.0, held / max(1, block.channels * block.vectors))
        return stream.first + share * max(spread, 1), 0, stages
    if isinstance(block, ChannelSum):
        return stream.last, 0, stages
    return stream.first, 0, stages


def _filled(block: Window) -> float:
    """Share of the image that the first window waits for; padding does not need to be waited for."""
    *rows, width = block.image
    *row_kernel, kernel = block.kernel
    pixels = (kernel - 1) * block.dilation[-1] + 1 - block.padding[-1][0]
    for size, taps, dilation, (before, _) in zip(rows, row_kernel, block.dilation, block.padding, strict=False):
        pixels += max(0, (taps - 1) * dilation - before) * prod((size, width)) // size
    return min(1.0, max(1, pixels) / prod(block.image))


def lanes(job: Job) -> tuple[int, int]:
    """Elements per word, in and out, of a block with a fold."""
    block, fold = job.block, job.parallel
    if isinstance(block, MatVec):
        return fold.simd * max(1, fold.pe // block.rows), fold.pe
    if isinstance(block, Window):
        return fold.simd, fold.simd * (prod(block.kernel) if fold.parallel_window else 1)
    if isinstance(block, Pool):
        return fold.pe * fold.simd, fold.pe
    return fold.pe, fold.pe
