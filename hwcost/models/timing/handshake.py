"""Paths of handshakes: whether a word may move runs through units up to a register that knows."""

from collections.abc import Sequence
from math import log2

from hwcost.graph.spec import Block, Link, Window
from hwcost.models.formulas.formula import Adapter, Job
from hwcost.models.timing.delays import Delays
from hwcost.models.timing.paths import Path, room

PASSED = Path(levels=1)
"""A unit, converter or copy with a register that is free, or freed now."""

MOVED = 2
"""LUTs from there to the registers that the word moves on."""


class Handshakes:
    """Paths of `ready`, from the registers behind a unit to those that it moves.

    Args:
        jobs: blocks of a pipeline with their links; a unit without a reader stands at the end.
        found: delays of the family, which tell the longer of two paths.

    Error: of whole networks: reports/calibration/timing.md.
    Source: hwcost.synth and hwcost.build: a FIFO knows by a register of its own, a window that is read word by word by
        its counters; every other unit asks its readers.
    """

    def __init__(self, jobs: Sequence[Job], found: Delays) -> None:
        self.found = found
        self.jobs = {id(job.block): job for job in jobs if not isinstance(job.block, Link)}
        self.readers: dict[int, list[tuple[Block, Adapter]]] = {}
        for job in jobs:
            if isinstance(job.block, Link):
                told = (job.block.sink, job.adapter or Adapter())
                self.readers.setdefault(id(job.block.source), []).append(told)
        self._behind: dict[int, Path] = {}

    def moving(self, job: Job) -> Path:
        """Path of the signal that lets a unit move on."""
        lanes = job.parallel.pe * job.parallel.simd if job.fold is not None else 1
        return self.behind(job.block).then(Path(levels=MOVED, load=log2(lanes)))

    def behind(self, block: Block) -> Path:
        """Path of the signal that says that the readers of a unit take a word; empty where it has none."""
        if id(block) not in self._behind:
            readers = self.readers.get(id(block), [])
            paths = [self._taken(sink, adapter) for sink, adapter in readers]
            slowest = max(paths, key=lambda path: float(path.delay(self.found)), default=Path())
            self._behind[id(block)] = slowest.then(PASSED) if len(paths) > 1 else slowest
        return self._behind[id(block)]

    def _taken(self, sink: Block, adapter: Adapter) -> Path:
        if adapter.depth:
            return PASSED
        path = self._ready(sink)
        return path.then(PASSED) if adapter.produced != adapter.consumed else path

    def _ready(self, block: Block) -> Path:
        job = self.jobs.get(id(block))
        if job is not None and isinstance(block, Window) and not job.parallel.parallel_window:
            return room(job)
        return self.behind(block).then(PASSED)
