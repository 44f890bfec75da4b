"""The cycle of every word of a pipeline in which no stream is held up: what FIFOs must hold for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from math import lcm, prod

import numpy as np
from numpy.typing import NDArray

from hwcost.graph.spec import Block, Concat, LabelSelect, Link, MatVec, Pool, Window
from hwcost.models.folding.buffer_schedule import Buffering, buffered, entering_elements
from hwcost.models.folding.word_timing import lanes
from hwcost.models.formulas.formula import Job
from hwcost.models.formulas.window import RESTART, buffer_words, word_order

Times = NDArray[np.int64]

BEHIND, AHEAD = "behind", "ahead"
"""Place of a FIFO, seen from the converter of its link."""

REGISTER = 1
"""Cycles of a unit with one register, of a converter. Source: hwcost.synth, simulated."""


@dataclass(frozen=True)
class Queue:
    """The FIFO of a link.

    Attributes:
        place: "behind" or "ahead" of its converter; "" for none.
        cycles: from the one in which a word enters it to the first in which it may leave.
    """

    place: str = ""
    cycles: int = 0

    def delay(self, place: str) -> int:
        """Cycles that it takes at a place."""
        return self.cycles if self.place == place else 0


@dataclass(frozen=True, eq=False)
class Passing:
    """Words of a stream.

    Attributes:
        given: cycle in which each word could be handed over.
        taken: cycle in which its reader takes it.
        begun: cycle up to which the word in front of it must be gone, or its making is held up.
        ahead: the same of the words that a converter takes, where it shifts them out; None elsewhere.
    """

    given: Times
    taken: Times
    begun: Times
    ahead: Passing | None = None


@dataclass(frozen=True, eq=False)
class _Made:
    """Words that leave a unit, as many elements each, and when the making of each begins."""

    times: Times
    begun: Times
    lanes: int | None
    ahead: Passing | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Schedule:
    """A run of some frames.

    Attributes:
        links: streams, by position among the links.
        ends: cycle of the last word of each block.
    """

    links: Mapping[int, Passing]
    ends: Mapping[int, int]


class Unbalanced(ValueError):
    """A unit that reads another number of words than reach it: blocks by hand, which no network joins so."""


def run(
    links: Sequence[Link],
    jobs: Mapping[int, Job],
    stages: Callable[[Job], int],
    *,
    queued: Sequence[Queue],
    frames: int,
    interval: int | None,
) -> Schedule:
    """Find the cycle of every word.

    Args:
        links: of one pipeline.
        jobs: of all other blocks, by identity of the block; each with a fold.
        stages: registers of a block that is neither a unit nor a window.
        queued: FIFO of each link.
        frames: how many enter.
        interval: at which they enter, word by word at even distances; None for as fast as they are taken.

    Raises:
        Unbalanced: see there.
    """
    into: dict[int, list[int]] = {}
    for number, link in enumerate(links):
        into.setdefault(id(link.sink), []).append(number)
    graph = {
        sink: [id(links[n].source) for n in numbers if id(links[n].source) in jobs] for sink, numbers in into.items()
    }
    shared = sum(id(link.source) not in jobs for link in links) > 1
    made: dict[int, _Made] = {}
    passed: dict[int, Passing] = {}
    ends: dict[int, int] = {}
    for block in TopologicalSorter(graph).static_order():
        if block not in jobs:
            continue
        job, numbers = jobs[block], into.get(block, [])
        arrived = []
        for number in numbers:
            source = made.get(id(links[number].source)) or _entering(job, shared, frames, interval)
            arrived.append(_converted(source, lanes(job)[0], queued[number]))
            if isinstance(job.block, MatVec) and len(arrived[-1].times) != frames * _words(job.block) // lanes(job)[0]:
                raise Unbalanced
        if not arrived:
            continue
        taken, left = _through(job, [one.times for one in arrived], stages(job), frames)
        for number, one, when in zip(numbers, arrived, taken, strict=True):
            passed[number] = Passing(one.times - queued[number].delay(BEHIND), when, one.begun, one.ahead)
        made[block], ends[block] = left, int(left.times[-1])
    return Schedule(links=passed, ends=ends)


def _take(times: Times, spacing: Times) -> Times:
    """Cycles in which words are taken, each no earlier than it is there and a distance after the one in front of it."""
    return np.maximum.accumulate(times - spacing) + spacing


def _entering(job: Job, shared: bool, frames: int, interval: int | None) -> _Made:
    """Words from outside, which may wait there."""
    words = _words(job.block) // lanes(job)[0]
    if interval is None:
        times = np.arange(words * frames)
    else:
        times = (np.arange(frames)[:, None] * interval + np.arange(words) * interval // words).reshape(-1)
    # several readers of the input wait for one another, a single one keeps nobody waiting
    begun = np.concatenate([times[:1], times[:-1]]) if shared else np.full(len(times), np.iinfo(np.int64).max)
    return _Made(times, begun, lanes(job)[0])


def _words(block: Block) -> int:
    """Elements of one stream that a block reads per inference."""
    if isinstance(block, MatVec):
        return block.cols * block.groups * block.vectors
    if isinstance(block, Window):
        return block.channels * prod(block.entering)
    if isinstance(block, Buffering):
        return entering_elements(block)
    each = prod(block.kernel) if isinstance(block, Pool) else 1
    return int(getattr(block, "channels", 1) * getattr(block, "vectors", 1)) * each


def _converted(source: _Made, wanted: int | None, queued: Queue) -> _Made:
    """Words as they are read: collected, shifted out, through a FIFO."""
    times, begun, ahead = source.times + queued.delay(AHEAD), source.begun, None
    if wanted is not None and source.lanes is not None and source.lanes != wanted:
        whole = lcm(source.lanes, wanted)
        if whole != source.lanes:
            group = whole // source.lanes
            # a word that waits holds up the first narrow one behind it
            times, begun = times[group - 1 :: group] + REGISTER, times[::group]
        if whole != wanted:
            parts = whole // wanted
            starts = _take(times, np.arange(len(times)) * parts)
            ahead = Passing(times - queued.delay(AHEAD), starts, begun)
            times = (starts[:, None] + REGISTER + np.arange(parts)).reshape(-1)
            begun = times - REGISTER
    return _Made(times + queued.delay(BEHIND), begun, wanted, ahead)


def _through(job: Job, arrived: list[Times], stages: int, frames: int) -> tuple[list[Times], _Made]:
    """Cycles in which a block takes its words, and in which its own leave."""
    block = job.block
    if isinstance(block, Concat):
        return _joined(job, block, arrived, stages)
    longest = max(len(other) for other in arrived)
    if longest > min(len(other) for other in arrived):  # one channel is multiplied with all
        arrived = [np.repeat(other, longest // len(other)) for other in arrived]
    times = arrived[0]
    for other in arrived[1:]:
        times = np.maximum(times, other)
    outward = lanes(job)[1]
    if isinstance(block, MatVec):
        words, folds = block.cols // job.parallel.simd, max(1, block.rows // job.parallel.pe)
        place = np.arange(len(times))
        taken = _take(times, place // words * words * folds + place % words)
        ready = (taken[words - 1 :: words, None] + np.arange(folds) * words).reshape(-1) + REGISTER + len(job.cuts)
        return [taken] * len(arrived), _Made(ready, ready - words, outward)
    if isinstance(block, Window):
        taken, ready = _slid(job, block, times, frames)
        begun = ready - REGISTER  # of a whole window, what is not shown moves on too, and waits with it
        if job.parallel.parallel_window:
            begun = np.concatenate([begun[:1], ready[:-1]])
        return [taken] * len(arrived), _Made(ready, begun, outward)
    if isinstance(block, Buffering):
        taken, ready = buffered(job, block, times, frames)
        return [taken], _Made(ready, ready - REGISTER, outward)
    taken = _take(times, np.arange(len(times)))
    each = 1
    if isinstance(block, Pool):
        each = prod(block.kernel) // job.parallel.simd
    if isinstance(block, LabelSelect):
        each = block.channels // job.parallel.pe
    ready = taken[each - 1 :: each] + stages
    return [taken] * len(arrived), _Made(ready, taken[::each], outward)


def _joined(job: Job, block: Concat, arrived: list[Times], stages: int) -> tuple[list[Times], _Made]:
    counts = [channels // job.parallel.pe for channels in block.streams]
    rows = [times.reshape(-1, count) for times, count in zip(arrived, counts, strict=True)]
    whole = np.concatenate(rows, axis=1)
    taken = _take(whole.reshape(-1), np.arange(whole.size)).reshape(whole.shape)
    starts = np.cumsum([0, *counts])
    parts = [taken[:, a:b].reshape(-1) for a, b in pairwise(starts)]
    ready = taken.reshape(-1) + stages
    return parts, _Made(ready, ready - stages, job.parallel.pe)


def _slid(job: Job, block: Window, times: Times, frames: int) -> tuple[Times, Times]:
    """A window takes an image, with the padding around it, and gives its elements."""
    inside, reads = word_order(block, job.parallel)
    real = int(inside.sum())
    taken, ready = [], []
    free = 0
    for frame in range(frames):
        arrived = np.full(len(inside), free)
        arrived[inside] = np.maximum(arrived[inside], times[frame * real : (frame + 1) * real])
        if job.parallel.parallel_window:
            written = _take(arrived, np.arange(len(arrived)))
            out = written[reads]
            free = int(written[-1]) + 1
        else:
            written, out = buffered_words(block, job.parallel.simd, arrived, reads)
            free = max(int(out[-1]), int(written[-1])) + RESTART
        taken.append(written[inside])
        ready.append(out + REGISTER)
    return np.concatenate(taken), np.concatenate(ready)


def buffered_words(block: Window, simd: int, arrived: Times, reads: Times) -> tuple[Times, Times]:
    """Cycles in which the words of an image enter the cyclic buffer of a window, and in which its words are read.

    A word enters when it is there and the one that it replaces has been read: by windows in front of the one at which
    it is the first to be kept. Reading waits for entering in turn, so both are found together, the earliest that fit.
    """
    place, count = np.arange(len(arrived)), np.arange(len(reads))
    each = len(reads) // prod(block.output)
    # windows that have been read when a word finds room
    passed = np.searchsorted(reads[::each], place - max(2, buffer_words(block, simd)), side="right")
    waits = passed > 0
    last = passed[waits] * each - 1
    entered = _take(arrived, place)
    while True:
        read = _take(entered[reads] + 1, count)
        free = read[last] + 1
        if (free <= entered[waits]).all():
            return entered, read
        entered[waits] = np.maximum(entered[waits], free)
        entered = _take(entered, place)


def deepest(passing: Passing) -> int:
    """Words that a FIFO must hold: a full one takes none, not even while one is read."""
    gone = np.searchsorted(passing.taken, passing.given, side="left")
    return int((np.arange(1, len(passing.given) + 1) - gone).max())


def holds_up(passing: Passing) -> bool:
    """Whether a word that waits for its reader would hold up the making of the next."""
    words, taken = len(passing.begun), passing.taken
    if len(taken) > words:  # each word is read several times: it waits for the last
        taken = taken[(np.arange(words) + 1) * len(taken) // words - 1]
    return bool((taken[:-1] > passing.begun[1 : len(taken)]).any())
