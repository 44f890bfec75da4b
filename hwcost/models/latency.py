"""How long one frame takes from its first input to its last output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from hwcost.errors import BadOption
from hwcost.models.dataflow import Dataflow
from hwcost.models.formula import Formula, Job
from hwcost.models.resources import Placed
from hwcost.models.window import buffer_words
from hwcost.spec import MatVec, Window

UNIT_PIPELINE_CYCLES = 4
"""Registers of a matrix-vector unit. Source: of 73 published units 51 take 4 cycles more than PE and SIMD ask for, the
others 3 or 5 (reports/calibration/published.md)."""

CONVERTER_CYCLES = 3
"""A data-width converter between units. Source: chosen on the two published latencies of dense chains (RTL simulation),
one of 2 converters and one of 3; one of them is met, the other is 3 cycles off."""


@dataclass(frozen=True)
class _Stream:
    """When the words of one frame leave a block: the cycle behind the first, and behind the last; lanes per word."""

    first: float
    last: float
    lanes: int


def latency_cycles(model: Dataflow, placed: Sequence[Placed], *, input_cycles: int = 1) -> int:
    """Cycles from the first input word of a frame to its last output, in an empty pipeline without branches.

    A block starts when its first vector or window is complete, and ends no earlier than its work behind the last input.

    Args:
        model: the folded pipeline.
        placed: its blocks, in the order of the stream.
        input_cycles: cycles in which the frame enters, at least 1.

    Raises:
        BadOption: no blocks, or input_cycles below 1.

    Error: two published dense chains (RTL simulation): 211 for 211 cycles and 232 for 229, one constant chosen on them.
        Two networks on boards, driver included: 5 to 17% short (reports/calibration/published.md).
    Source: the order in which folded units consume and produce.
    """
    if input_cycles < 1 or not placed:
        raise BadOption(f"latency_cycles: {len(placed)} blocks, input_cycles={input_cycles}; give at least one of both")
    stream = _Stream(0, input_cycles, 0)
    for job in model.plan(placed):
        stream = _through(model, job, stream)
    return ceil(stream.last)


def _through(model: Dataflow, job: Job, source: _Stream) -> _Stream:
    if isinstance(job.block, MatVec):
        return _unit(job, job.block, source)
    if isinstance(job.block, Window):
        return _window(job, job.block, source)
    formula = model.formulas[type(job.block)]
    cycles = formula.cycles(job.block, job.parallel) if isinstance(formula, Formula) else 0
    return _Stream(source.first + 1, max(source.last + 1, source.first + cycles), job.parallel.pe)


def _unit(job: Job, block: MatVec, source: _Stream) -> _Stream:
    fold = job.parallel
    passes = block.rows * block.groups // fold.pe
    words = block.cols // fold.simd
    waiting = (source.last - source.first) / block.vectors  # until the first vector is complete
    begun = source.first + max(waiting, words)
    rest = (passes - 1) * words
    delay = UNIT_PIPELINE_CYCLES + (CONVERTER_CYCLES if source.lanes not in (0, fold.simd) else 0)
    # behind the last input word: its lanes still to be read, then all passes but the first
    left = ceil(source.lanes / fold.simd) + rest
    last = max(source.last + left, begun + rest + (block.vectors - 1) * passes * words)
    return _Stream(begun + delay, last + delay, fold.pe)


def _window(job: Job, block: Window, source: _Stream) -> _Stream:
    fold = job.parallel
    words = block.channels // fold.simd
    whole = words * prod(size + sum(pad) for size, pad in zip(block.image, block.padding, strict=True))
    fill = buffer_words(block, fold.simd)
    one = 1 if fold.parallel_window else words * prod(block.kernel)
    begun = source.first + max(fill, (source.last - source.first) * fill / whole)
    last = max(source.last + one, begun + one * prod(block.output), source.first + whole)
    return _Stream(begun, last, fold.simd)
