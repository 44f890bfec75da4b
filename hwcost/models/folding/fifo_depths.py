"""Depths of the FIFOs of a pipeline, so that no unit slows the others down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from math import ceil, prod

from hwcost.graph.spec import Block, Link, MatVec, Pool, Window
from hwcost.models.folding.word_timing import STAGE_CYCLES, Stream, joined, lanes, through
from hwcost.models.formulas.formula import Adapter, Job
from hwcost.models.formulas.window import buffer_words

REGISTERED = 2
"""Words that the registers between two units hold anyway; a FIFO begins beyond. FINN removes FIFOs up to this depth."""


def adapters(
    links: Sequence[Link], jobs: Mapping[int, Job], cycles: Mapping[int, float], interval: float
) -> Iterator[Adapter]:
    """Find the adapter of every link.

    Args:
        links: of one pipeline.
        jobs: of all other blocks, by identity of the block.
        cycles: per inference, of the same blocks.
        interval: that the pipeline keeps.

    Returns:
        One Adapter per link. A FIFO holds what its reader takes while the writer pauses (a window that fills), or what
        the writer makes while the reader pauses (a unit that works through its folds), as far as both have no time to
        spare; and what a shorter branch makes until the longer one is there, also one that begins where the network
        does.

    Error: equal to a cycle-by-cycle simulation of both pauses and of branches (tests). No published depths of an
        analytic model: BNN-PYNQ's CNV was built with 128 words by hand where this says 0 to 70.
    Source: derived here.
    """
    late = _late(links, jobs, cycles, interval)
    readers: dict[int, int] = {}
    for link in links:
        readers[id(link.source)] = readers.get(id(link.source), 0) + 1
    for number, link in enumerate(links):
        source, sink = jobs.get(id(link.source)), jobs.get(id(link.sink))
        wanted = _taken(link, sink) if sink is not None and sink.fold is not None else None
        given = lanes(source)[1] if source is not None and source.fold is not None else wanted
        if given is None:
            yield Adapter()
            continue
        taken = given if wanted is None else wanted
        depth = 0.0
        if sink is not None and wanted is not None and (link.source is None or (source and source.fold is not None)):
            words = _elements(link.sink, weights=_brings_weights(link)) / taken
            depth = late[number] * words / interval
            if source is not None:
                depth += _pause_of_source(source, words, cycles[id(link.sink)], interval)
                depth += 0.0 if _brings_weights(link) else _pause_of_sink(sink, cycles[id(link.source)], interval)
        copied = link.source is not None and readers[id(link.source)] > 1
        yield Adapter(given, taken, ceil(depth) if depth > REGISTERED else 0, copied)


def _brings_weights(link: Link) -> bool:
    """Whether a stream brings the weights of the unit that reads it."""
    sink = link.sink
    return isinstance(sink, MatVec) and sink.held > 0 and link.wire is sink.weight


def _taken(link: Link, sink: Job) -> int:
    """Elements per word that a block takes of a stream."""
    block = sink.block
    if isinstance(block, MatVec) and _brings_weights(link):
        return sink.parallel.pe if block.by_column else sink.parallel.simd
    return lanes(sink)[0]


def _pause_of_source(source: Job, words: float, busy: float, interval: float) -> float:
    """Words that the reader takes while a window fills and gives none."""
    block = source.block
    if not isinstance(block, Window) or source.parallel.parallel_window:
        return 0.0
    idle = buffer_words(block, source.parallel.simd)
    return min(words, max(0.0, busy + idle - interval) * words / busy)


def _pause_of_sink(sink: Job, busy: float, interval: float) -> float:
    """Words that the writer makes while a unit works through the folds of a vector and takes none."""
    block = sink.block
    if not isinstance(block, MatVec) or block.rows <= sink.parallel.pe:
        return 0.0
    folds = block.cols // sink.parallel.simd
    pause = (block.rows // sink.parallel.pe - 1) * folds
    short = (busy - interval) / block.vectors + pause
    return min(float(folds), max(0.0, short) * folds * block.vectors / busy)


def _elements(block: Block, *, weights: bool = False) -> int:
    """Elements per inference that a block with a fold reads; or weights that arrive as a stream."""
    if isinstance(block, MatVec) and weights:
        return block.weights * block.held
    if isinstance(block, MatVec):
        return block.cols * block.groups * block.vectors
    if isinstance(block, Window):
        return block.channels * prod(block.image)
    each = prod(block.kernel) if isinstance(block, Pool) else 1
    return int(getattr(block, "channels", 1) * getattr(block, "vectors", 1)) * each


def _late(links: Sequence[Link], jobs: Mapping[int, Job], cycles: Mapping[int, float], interval: float) -> list[float]:
    """Cycles that each link's first word waits for those of the other links of its reader, at a steady rate."""
    into: dict[int, list[int]] = {}
    for number, link in enumerate(links):
        into.setdefault(id(link.sink), []).append(number)
    late = [0.0] * len(links)
    if all(len(numbers) == 1 for numbers in into.values()):
        return late
    enters = Stream(0.0, interval - 1, None)
    graph = {
        sink: [id(links[n].source) for n in numbers if id(links[n].source) in jobs] for sink, numbers in into.items()
    }
    leaves: dict[int, Stream] = {}
    for block in TopologicalSorter(graph).static_order():
        streams = [leaves.get(id(links[n].source), enters) for n in into.get(block, ())]
        # weights are used when the last of them is there, and never wait
        whole = [
            replace(stream, first=stream.last) if _brings_weights(links[number]) else stream
            for number, stream in zip(into.get(block, ()), streams, strict=True)
        ]
        for number, stream in zip(into.get(block, ()), streams, strict=True):
            if not _brings_weights(links[number]):
                late[number] = max(other.first for other in whole) - stream.first
        if block in jobs:
            leaves[block] = through(joined(whole) if streams else enters, jobs[block], cycles[block], STAGE_CYCLES)
    return late
