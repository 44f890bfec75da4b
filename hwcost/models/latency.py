"""From the first word in to the last word out: how long one frame takes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from hwcost.errors import BadOption
from hwcost.models.dataflow import Dataflow
from hwcost.models.formula import Formula, Job
from hwcost.models.resources import place
from hwcost.ranges import widest
from hwcost.spec import Layer, MatVec, Pool, Thresholds, Window

UNIT_CYCLES = 4
"""Pipeline of a matrix-vector unit. Source: 114 of 114 published units take 3, 4 or 5 cycles more than their folds."""

CONVERTER_CYCLES = 4
"""Delay of the last word by a converter of stream widths. Source: the two rows under `latency_cycles`."""

ENTRY_CYCLES = 1
"""From the port to the first unit. Source: as CONVERTER_CYCLES."""

STAGE_CYCLES = 1
"""Register of any other unit, or of one stage of a threshold search; not measured."""


@dataclass(frozen=True)
class Stream:
    """When words are there.

    Attributes:
        first, last: cycle of the first and of the last word of a frame, counted from 0.
        lanes: elements per word; None where the producer takes any.
    """

    first: float
    last: float
    lanes: int | None


SOURCE = Stream(0.0, 0.0, None)
"""What enters the network: it waits at the port, and is taken at the speed of the first unit."""


def latency_cycles(layers: Sequence[Layer], model: Dataflow) -> int:
    """Cycles from the first word of a frame to its last result, in an empty pipeline.

    Every unit starts with its first input and runs at its own pace. It ends when it has done all its work, and not
    before it has done what is left after its last input: all folds but the first of a dot product, the last window.

    Args:
        layers: from `pipeline.layers()`, in one call: a stream is known by the identity of its signal, or of its range
            where layers written by hand do not share signals; one that no layer makes enters the network.
        model: the folded pipeline.

    Returns:
        Whole cycles, at least 1. No gradient: at a fixed folding widths move it by threshold stages only.

    Raises:
        BadOption: no hardware in the layers.

    Error: none on the simulated latency of two published dense networks (211 and 229 cycles, finn.md 3.3), which fixed
        two of the constants. A fully unrolled one at 300 MHz takes 26 instead of 18: its units are pipelined deeper.
        Single frames on a board, driver included: 1,746 instead of 1,221 (dense), 151,178 instead of 138,071 (CNV).
        FINN's sum of cycles for these five: 252, 272, 4, 1,288 and 249,362.
    Source: folds of dot products as in finn.md 3.5; overlap of rates derived here.
    """
    placed = place(layers)
    if not placed:
        raise BadOption("latency: the pipeline has no hardware in it; trace a network with quantized layers")
    jobs = iter(model.plan(placed))
    streams: dict[int, Stream] = {}
    entering = {id(signal.range) for signal in layers[0].inputs}
    for layer in layers:
        known = [
            streams.get(id(signal), SOURCE if id(signal.range) in entering else streams.get(id(signal.range), SOURCE))
            for signal in layer.inputs
        ]
        stream = _joined(known)
        for _ in layer.blocks:
            stream = _through(stream, next(jobs), model)
        streams[id(layer.output)] = streams[id(layer.output.range)] = stream
    return ceil(max(stream.last for stream in streams.values())) + 1 + ENTRY_CYCLES


def _joined(streams: Sequence[Stream]) -> Stream:
    if not streams:
        return SOURCE
    lanes = streams[0].lanes if len({stream.lanes for stream in streams}) == 1 else None
    return Stream(max(stream.first for stream in streams), max(stream.last for stream in streams), lanes)


def _through(stream: Stream, job: Job, model: Dataflow) -> Stream:
    """What leaves a unit."""
    formula = model.formulas[type(job.block)]
    if not isinstance(formula, Formula):  # a block of the user: of its price only the cycles are known
        busy = float(model.price_jobs([job])["cycles"])
        return Stream(stream.first + STAGE_CYCLES, max(stream.last, stream.first + busy - 1) + STAGE_CYCLES, None)
    busy = formula.cycles(job.block, job.parallel)
    inward, outward = _lanes(job)
    converted = stream.lanes is not None and stream.lanes != inward
    last = stream.last + (CONVERTER_CYCLES if converted else 0)
    head, tail, depth = _work(stream, job, busy, model)
    end = max(last + tail, stream.first + busy - 1)
    return Stream(head + depth, end + depth, outward)


def _work(stream: Stream, job: Job, busy: int, model: Dataflow) -> tuple[float, int, int]:
    """(cycle of the first result, work left after the last input, depth of the pipeline)."""
    block, fold = job.block, job.parallel
    spread = stream.last - stream.first
    if isinstance(block, MatVec):
        folds = block.cols // fold.simd
        head = max(stream.first + folds - 1, stream.first + spread / block.vectors)
        return head, busy // block.vectors - folds, UNIT_CYCLES
    if isinstance(block, Window):
        filled = _filled(block)
        words = block.channels // fold.simd * prod(block.image)
        head = stream.first + max(filled * words, filled * spread)
        tail = 0 if fold.parallel_window else prod(block.kernel) * (block.channels // fold.simd)
        return head, tail, STAGE_CYCLES
    if isinstance(block, Pool):
        window = max(1, prod(block.kernel) // fold.simd)
        return stream.first + max(window - 1, spread / block.vectors), 0, STAGE_CYCLES
    if isinstance(block, Thresholds) and model.setting.thresholds == "search":
        return stream.first, 0, STAGE_CYCLES * ceil(float(widest(block.output).bits.detach()))
    return stream.first, 0, STAGE_CYCLES


def _filled(block: Window) -> float:
    """Share of the image that the first window waits for; padding does not need to be waited for."""
    *rows, width = block.image
    *row_kernel, kernel = block.kernel
    pixels = (kernel - 1) * block.dilation[-1] + 1 - block.padding[-1][0]
    for size, taps, dilation, (before, _) in zip(rows, row_kernel, block.dilation, block.padding, strict=False):
        pixels += max(0, (taps - 1) * dilation - before) * prod((size, width)) // size
    return min(1.0, max(1, pixels) / prod(block.image))


def _lanes(job: Job) -> tuple[int, int]:
    """Elements per word, in and out."""
    block, fold = job.block, job.parallel
    if isinstance(block, MatVec):
        return fold.simd * max(1, fold.pe // block.rows), fold.pe
    if isinstance(block, Window):
        return fold.simd, fold.simd * (prod(block.kernel) if fold.parallel_window else 1)
    if isinstance(block, Pool):
        return fold.pe * fold.simd, fold.pe
    return fold.pe, fold.pe
