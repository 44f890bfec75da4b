"""FIFOs of a whole pipeline, from the cycle of every word, and the latency of a single frame."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from hwcost.graph.ranges import widest
from hwcost.graph.spec import Block, Link, MatVec, Thresholds
from hwcost.models.folding.word_schedule import (
    AHEAD,
    BEHIND,
    Queue,
    Schedule,
    Unbalanced,
    deepest,
    holds_up,
    run,
)
from hwcost.models.formulas.formula import Adapter, Formula, Job
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.models.formulas.streams import MOST_SRL

FRAMES = 3
"""Frames after which a pipeline repeats itself: a stream crosses the units in less than two."""

TURNS = 4
"""Runs until no FIFO is added any more; a FIFO delays its words by a cycle, which may ask for another."""


def stages(job: Job, thresholds: str) -> int:
    """Registers of a block that is neither a unit nor a window, as `hwcost.build` makes it.

    Args:
        job: the block with its fold.
        thresholds: "search" or "parallel".
    """
    block = job.block
    if not isinstance(block, Thresholds):
        return 1
    folds, most = block.channels // job.parallel.pe, 1 if job.cuts else AUTO_LUTRAM_DEPTH["rtl"]
    if thresholds == "parallel":
        return 1 + (folds > most)
    bits, low = int(widest(block.output).bits.detach().ceil()), (folds - 1).bit_length()
    return bits + sum(1 << (low + stage) > most for stage in range(bits))


MOST_STAGES = 8
"""Registers of an activation that FIFOs reckon with, of any width: a width that learns must not move a FIFO."""


def _most_stages(job: Job) -> int:
    return MOST_STAGES if isinstance(job.block, Thresholds) else 1


Depths = tuple[tuple[int, bool], ...]
"""The FIFO of each link, in order: its words, and whether it stands in front of the converter."""


def queued(
    jobs: list[Job],
    formulas: Mapping[type, object],
    known: Callable[[Hashable, Callable[[], Depths]], Depths] = lambda _, find: find(),
) -> list[Job]:
    """Give the links of a pipeline FIFOs as deep as it needs at the pace of its slowest block.

    Args:
        jobs: blocks of a pipeline of RTL units, in the order of `place` or in its reverse.
        formulas: block type -> formula; one of the user's says nothing of cycles.
        known: remembers depths by their key.

    Returns:
        The jobs as they are where the words have no schedule: FIFOs as their neighbours alone ask for.
    """
    if not whole(jobs):
        return jobs
    cycles = [
        formula.cycles(job.block, job.parallel)
        for job in jobs
        if isinstance(formula := formulas[type(job.block)], Formula)
    ]
    interval, ordered = max([*cycles, 1]), stream_order(jobs)
    try:
        found = known(key(ordered, interval), lambda: depths(ordered, interval))
    except Unbalanced:
        return jobs
    return with_depths(jobs, found if ordered is jobs else found[::-1])


def stream_order(jobs: Sequence[Job]) -> Sequence[Job]:
    """Jobs in the order of the stream, where they stand in that order or in its reverse."""
    place = {id(job.block): number for number, job in enumerate(jobs)}
    links = [job.block for job in jobs if isinstance(job.block, Link)]
    turned = any(place.get(id(link.source), -1) > place.get(id(link.sink), len(jobs)) for link in links)
    return jobs[::-1] if turned else jobs


def key(jobs: Sequence[Job], interval: int) -> Hashable:
    """Key of everything that the depths depend on: geometry and folds; no width."""
    place = {id(job.block): number for number, job in enumerate(jobs)}
    told: list[Hashable] = [interval]
    for job in jobs:
        block = job.block
        if isinstance(block, Link):
            told.append((place.get(id(block.source)), place.get(id(block.sink))))
        else:
            sizes = tuple(part for part in vars(block).values() if isinstance(part, int | str | tuple))
            told.append((type(block), sizes, job.fold, job.cuts))
    return tuple(told)


def depths(jobs: Sequence[Job], interval: int) -> Depths:
    """The FIFO of each link, in order.

    Args:
        jobs: of a whole pipeline, each block with a fold.
        interval: that it keeps.

    Returns:
        As deep as no word ever waits; none where a word that waits holds up nothing.

    Error: none: simulated pipelines keep their interval, and their FIFOs hold at least half as much (reports/build).
    Source: derived here: a schedule that is possible is kept by units that start as soon as they can.
    """
    links = [job.block for job in jobs if isinstance(job.block, Link)]
    blocks = {id(job.block): job for job in jobs if not isinstance(job.block, Link)}
    queued = [Queue()] * len(links)
    for _ in range(TURNS):
        found = run(links, blocks, _most_stages, queued=queued, frames=FRAMES, interval=interval)
        wanted = [_wanted(found, number, has) for number, has in enumerate(queued)]
        if wanted == queued:
            break
        queued = wanted
    return tuple((_depth(found, number, queue.place), queue.place == AHEAD) for number, queue in enumerate(queued))


def _wanted(found: Schedule, number: int, has: Queue) -> Queue:
    """The FIFO that a link has to have: at most one, which stays where it is and is never shortened."""
    passing = found.links.get(number)
    if passing is None:
        return has
    place = has.place
    if not place and passing.ahead is not None and holds_up(passing.ahead):
        place = AHEAD
    elif not place and holds_up(passing):
        place = BEHIND
    return _queue(place, _depth(found, number, place)) if has.cycles < RING_CYCLES else has


def _depth(found: Schedule, number: int, place: str) -> int:
    """Words of the FIFO at a place; 0 for none."""
    if not place or number not in found.links:
        return 0
    passing = found.links[number]
    watched = passing.ahead if place == AHEAD else passing
    assert watched is not None
    return max(1, deepest(watched))


RING_CYCLES = 2
"""Cycles that a word takes through a FIFO in block RAM: it is written, then read into the register of the RAM. One of
shift registers takes a single cycle. Source: hwcost.synth.links, simulated."""


def _queue(place: str, depth: int) -> Queue:
    return Queue(place, 0 if not place else 1 if depth <= MOST_SRL["rtl"] else RING_CYCLES)


def with_depths(jobs: Sequence[Job], found: Sequence[tuple[int, bool]]) -> list[Job]:
    """Jobs of a pipeline whose links have these FIFOs."""
    left = iter(found)
    made = []
    for job in jobs:
        if isinstance(job.block, Link) and job.adapter is not None:
            depth, ahead = next(left)
            job = replace(job, adapter=replace(job.adapter, depth=depth, ahead=ahead))
        made.append(job)
    return made


def last_cycle(jobs: Sequence[Job], thresholds: str) -> int:
    """Cycle of the last result of a single frame, counted from that of its first word."""
    jobs = stream_order(jobs)
    links = [job.block for job in jobs if isinstance(job.block, Link)]
    blocks: Mapping[int, Job] = {id(job.block): job for job in jobs if not isinstance(job.block, Link)}
    queued = [_built(job.adapter) for job in jobs if isinstance(job.block, Link)]
    found = run(links, blocks, lambda job: stages(job, thresholds), queued=queued, frames=1, interval=None)
    begun = min(int(found.links[n].taken[0]) for n, link in enumerate(links) if id(link.source) not in blocks)
    return max(found.ends.values()) - begun


def _built(adapter: Adapter | None) -> Queue:
    if adapter is None or not adapter.depth:
        return Queue()
    return _queue(AHEAD if adapter.ahead else BEHIND, adapter.depth)


def whole(jobs: Sequence[Job]) -> bool:
    """Whether the words of these blocks have a schedule: all folded, all fed by links, no streamed weights."""
    blocks: dict[int, Block] = {id(job.block): job.block for job in jobs if not isinstance(job.block, Link)}
    links = [job.block for job in jobs if isinstance(job.block, Link)]
    sinks = {id(link.sink) for link in links}
    return (
        bool(links)
        and all(job.fold is not None for job in jobs if not isinstance(job.block, Link))
        and sinks == blocks.keys()
        and not any(isinstance(block, MatVec) and block.held for block in blocks.values())
    )
