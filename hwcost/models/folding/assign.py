"""The discrete choices of a pipeline: a fold for every block, an adapter for every link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwcost.graph.spec import Block, Link, MatVec, Pool, Thresholds, Window
from hwcost.models.folding.fifo_depths import adapters
from hwcost.models.folding.folds import keep_up
from hwcost.models.formulas.formula import Fold, Formula, Job
from hwcost.models.resources import Placed


@dataclass(frozen=True)
class Chooser:
    """Choose the folds and adapters of one design.

    Attributes:
        formula_of: the formula of a block; anything but a Formula knows no folding.
        unit_fold: of a matrix-vector unit, by its position among the placed blocks.
        make: the job of a block with its fold.
        fused: whether the activation behind a unit is part of it, and as parallel (HLS).
    """

    formula_of: Callable[[Placed], object]
    unit_fold: Mapping[int, Fold]
    make: Callable[[Placed, Fold | None], Job]
    fused: bool

    def jobs(self, placed: Sequence[Placed], interval: int | None) -> list[Job]:
        """Every block with its fold, every link with its adapter; in the order of `placed`.

        Args:
            placed: in any order; links tell who reads what.
            interval: that every block keeps; None if nothing sets one.
        """
        links = [item.block for item in placed if isinstance(item.block, Link)]
        units = {id(placed[index].block): fold for index, fold in self.unit_fold.items()}
        neighbours = _Neighbours(links, units, self.fused)
        pooled = self._pooled(placed, neighbours, interval)
        jobs = []
        for index, item in enumerate(placed):
            fold = self.unit_fold.get(index)
            formula = self.formula_of(item)
            if fold is None and isinstance(formula, Formula):
                fold = (
                    pooled.get(id(item.block))
                    or neighbours.fold(item.block, formula, interval)
                    or keep_up(item.layer, item.block, formula, interval)
                )
            jobs.append(self.make(item, fold))
        return self._linked(jobs, links, interval) if links else jobs

    def _pooled(self, placed: Sequence[Placed], neighbours: _Neighbours, interval: int | None) -> dict[int, Fold]:
        """Folds of windows and of the poolings behind them: the cheapest pair that passes words on as they are."""
        items = {id(item.block): item for item in placed}
        found: dict[int, Fold] = {}
        for window, pool in neighbours.pools:
            formulas = [self.formula_of(items[id(block)]) for block in (window, pool) if id(block) in items]
            if len(formulas) < 2 or not all(isinstance(one, Formula) for one in formulas):
                continue
            slide, reduce = formulas
            assert isinstance(slide, Formula) and isinstance(reduce, Formula)
            pairs = ((f, g) for f in slide.folds(window) for g in reduce.folds(pool) if _fits(f, g))
            for first, second in pairs:
                slowest = max(slide.cycles(window, first), reduce.cycles(pool, second))
                if interval is None or slowest <= interval:
                    found |= {id(window): first, id(pool): second}
                    break
        return found

    def _linked(self, jobs: list[Job], links: Sequence[Link], interval: int | None) -> list[Job]:
        known = {id(job.block): job for job in jobs if not isinstance(job.block, Link)}
        cycles = {block: _cycles(self.formula_of(Placed(job.layer, job.block)), job) for block, job in known.items()}
        slowest = max([*cycles.values(), 1]) if interval is None else interval
        found = dict(zip(map(id, links), adapters(links, known, cycles, slowest), strict=True))
        return [replace(job, adapter=found[id(job.block)]) if id(job.block) in found else job for job in jobs]


def _fits(window: Fold, pool: Fold) -> bool:
    """Whether a pooling takes the channels of a window's word at once: pixel by pixel, or all pixels of a whole one."""
    return pool.pe == window.simd and (pool.simd == 1 or window.parallel_window)


def _cycles(formula: object, job: Job) -> int:
    return formula.cycles(job.block, job.parallel) if isinstance(formula, Formula) else 1


class _Neighbours:
    """Folds that follow from that of a unit next to a block."""

    def __init__(self, links: Sequence[Link], units: Mapping[int, Fold], fused: bool) -> None:
        self._before = {id(link.sink): link.source for link in links if id(link.source) in units}
        self._behind = {id(link.source): link.sink for link in links if id(link.sink) in units}
        self.pools = [
            (link.source, link.sink)
            for link in links
            if isinstance(link.source, Window) and isinstance(link.sink, Pool)
        ]
        self._units, self._fused = units, fused

    def fold(self, block: Block, formula: Formula[Any], interval: int | None) -> Fold | None:
        """A window gives words as its unit takes them; a fused activation is as parallel as its unit."""
        wanted: Fold | None = None
        if isinstance(block, Window) and isinstance(unit := self._behind.get(id(block)), MatVec):
            if block.depthwise:  # its words hold the channels that the unit takes, and no others
                share = max(1, self._units[id(unit)].pe // unit.rows)
                serial, whole = Fold(simd=share), Fold(simd=share, parallel_window=True)
                late = interval is not None and formula.cycles(block, serial) > interval
                wanted = whole if late else serial
            else:
                wanted = Fold(simd=_inward(unit, self._units[id(unit)]))
        elif self._fused and isinstance(block, Thresholds) and isinstance(unit := self._before.get(id(block)), MatVec):
            wanted = Fold(pe=self._units[id(unit)].pe)
        if wanted is None or wanted not in formula.folds(block):
            return None
        return wanted if interval is None or formula.cycles(block, wanted) <= interval else None


def _inward(unit: MatVec, fold: Fold) -> int:
    return fold.simd * max(1, fold.pe // unit.rows)
