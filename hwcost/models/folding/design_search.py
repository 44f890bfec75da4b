"""The search for a design: options of every unit, and the choice among them within a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
import torch
from immutabledict import immutabledict
from numpy.typing import NDArray

from hwcost.errors import BadFolding, BadOption
from hwcost.graph.blocks import Multiplier
from hwcost.graph.spec import Link, MatVec, ScaleBias, Window
from hwcost.models.folding.assign import Chooser
from hwcost.models.folding.folds import Folding, keep_up, unit_names
from hwcost.models.folding.knapsack import Choices, select
from hwcost.models.folding.unit_context import Surroundings, priced
from hwcost.models.folding.word_fifos import queued
from hwcost.models.formulas.formula import Fold, Formula, Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula, check_streams, fault
from hwcost.models.formulas.table import FORMULAS
from hwcost.models.rates import frames_per_second, rate_text
from hwcost.models.resources import AREAS, Placed

Array = NDArray[np.float64]

TURNS = 4
"""Choices of one interval: FIFOs of the whole pipeline may ask for more than their neighbours do."""


@dataclass(frozen=True)
class Design:
    """A pipeline with every discrete choice made.

    Attributes:
        folding: of every unit, and the interval that the pipeline keeps.
        multipliers, weight_memory: layer -> choice; arguments of `Dataflow`.
        used: resource -> amount, the whole pipeline.
        fps: frames per second.
        optimal: whether no faster pipeline fits, proven; else none was found.
    """

    folding: Folding
    multipliers: Mapping[str, str]
    weight_memory: Mapping[str, str]
    used: Mapping[str, float]
    fps: float
    optimal: bool


@dataclass(frozen=True)
class _Unit:
    """The options of one matrix-vector unit: none is worse than another in everything."""

    name: str
    layer: str
    picks: list[tuple[Fold, str, str]]
    cycles: Array
    areas: Array


class DesignSearch:
    """One search for the smallest interval.

    Args:
        placed: blocks of the pipeline.
        setting: that all blocks share.
        limits: amounts of AREAS that there are.
        remedy: what helps where nothing fits, for the message.
    """

    def __init__(self, placed: Sequence[Placed], setting: Setting, limits: Array, remedy: str) -> None:
        self._placed = placed
        self._setting = setting
        self._limits = limits
        self._remedy = remedy
        self._names = unit_names(placed)
        self._others = [
            item for index, item in enumerate(placed) if index not in self._names and not isinstance(item.block, Link)
        ]
        self._scheduled = setting.flow == "rtl" and any(isinstance(item.block, Link) for item in placed)
        self._units: dict[int, _Unit] = {}

    def list_units(self, styles: Sequence[tuple[str, str]], max_stream_bits: int) -> None:
        """Price every option of every unit."""
        layers = [self._placed[index].layer for index in self._names]
        units = {
            name: block for index, name in self._names.items() if isinstance(block := self._placed[index].block, MatVec)
        }
        check_streams(units, max_stream_bits)
        for index, name in self._names.items():
            item = self._placed[index]
            # a choice is made per layer: where a layer has several units they all take the first one
            ways = styles if layers.count(item.layer) == 1 else styles[:1]
            self._units[index] = self._unit(name, item, ways, max_stream_bits)

    def _unit(self, name: str, item: Placed, styles: Sequence[tuple[str, str]], max_stream_bits: int) -> _Unit:
        formula, block = MatVecFormula(), item.block
        assert isinstance(block, MatVec)
        folds = [fold for fold in formula.folds(block) if fault(block, fold, max_stream_bits) is None]
        picks = [(fold, *style) for fold in folds for style in styles]
        with torch.no_grad():
            bill = formula([Job(item.layer, block, *pick) for pick in picks], self._setting)
        areas = np.stack([bill[area].numpy() for area in AREAS], axis=1)
        count = len(styles)  # of one fold, only styles that no other beats: links do not see them
        kept = [row + at for row in range(0, len(picks), count) for at in _undominated(areas[row : row + count])]
        return _Unit(name, item.layer, [picks[i] for i in kept], bill["cycles"].numpy()[kept], areas[kept])

    def fastest(self, clock_mhz: float) -> Design:
        """The least interval that fits without links is a bound; from there by doubled steps, and back by bisection."""
        steps = self._intervals()
        low, high, optimal = 0, len(steps) - 1, True
        if self._bare(steps[high]).picked is None:
            raise self._too_big(steps[high])
        while low < high:
            middle = (low + high) // 2
            found = self._bare(steps[middle])
            if found.picked is not None:
                high = middle
            else:
                low, optimal = middle + 1, optimal and found.proven
        step = 1
        design, proven = self._linked(steps[high], clock_mhz)
        while design is None:
            if high == len(steps) - 1:
                raise self._too_big(steps[high])
            low, high, step, optimal = high + 1, min(high + step, len(steps) - 1), 2 * step, optimal and proven
            design, proven = self._linked(steps[high], clock_mhz)
        while low < high:
            middle = (low + high) // 2
            better, proven = self._linked(steps[middle], clock_mhz)
            if better is not None:
                design, high = better, middle
            else:
                low, optimal = middle + 1, optimal and proven
        return replace(design, optimal=optimal)

    def at(self, interval: int, clock_mhz: float) -> Design:
        """A design of one interval.

        Raises:
            BadFolding: a block cannot keep it, or nothing that keeps it fits; names the highest rate that does.
        """
        quickest = self._intervals()[0]
        design = None if interval < quickest else self._linked(interval, clock_mhz)[0]
        if design is not None:
            return design
        fastest = self.fastest(clock_mhz)
        if fastest.folding.interval_cycles <= interval:
            return fastest
        if interval < quickest:
            why = f"the slowest block takes at least {quickest:,} cycles per frame, but {interval:,} are allowed"
        else:
            why = f"at {interval:,} cycles per frame the pipeline needs {self._shortage(interval)}"
        raise BadFolding(
            f"{why}; ask for at most {rate_text(fastest.fps)} frames/s at {clock_mhz:g} MHz, or {self._remedy}"
        )

    def _intervals(self) -> list[int]:
        """Every interval at which a choice changes and all blocks can keep up, ascending."""
        every = {int(c) for unit in self._units.values() for c in unit.cycles}
        slowest = max((int(unit.cycles.min()) for unit in self._units.values()), default=1)
        for item in self._others:
            formula = _formula(item)
            cycles = {formula.cycles(item.block, fold) for fold in formula.folds(item.block)}
            slowest = max(slowest, min(cycles))
            every |= cycles
        return sorted(c for c in every if c >= slowest) or [slowest]

    def _bare(self, interval: int) -> Choices:
        """The choice of options if links, and whatever wants wider words than it needs, cost nothing."""
        jobs = [
            Job(item.layer, item.block, keep_up(item.layer, item.block, _formula(item), interval), "lut", "auto")
            for item in self._others
            if not isinstance(item.block, Window)
        ]
        options = [unit.areas[unit.cycles <= interval] for unit in self._units.values()]
        return select(options, self._limits - self._areas(jobs), self._limits)

    def _areas(self, jobs: Sequence[Job]) -> Array:
        with torch.no_grad():
            total: Array = priced(jobs, self._setting).sum(0).numpy()[: len(AREAS)]
        return total

    def _make(self, item: Placed, fold: Fold | None) -> Job:
        return Job(item.layer, item.block, fold, "lut", "auto")

    def _linked(self, interval: int, clock_mhz: float) -> tuple[Design | None, bool]:
        """The choice of options with all that follows from them; whether None, where none is found, is proven.

        FIFOs are as deep as words wait in the whole pipeline, options are weighed by what their neighbours alone ask
        for: a choice that is too large then is made again with so much less to spend.
        """
        options, rest, coupled = self._options(interval)
        left = self._limits - rest
        for _ in range(TURNS):
            found = select(options, left, self._limits)
            if found.picked is None:
                break
            design = self._design(interval, found.picked, clock_mhz)
            over = np.array([design.used[area] for area in AREAS]) - self._limits
            if (over <= 0).all():
                return design, not coupled
            left = left - np.maximum(over, 0)
        if self._scheduled:  # only what is too large without any FIFO is too large for certain
            options, rest, coupled = self._options(interval, fifos=False)
            found = select(options, self._limits - rest, self._limits)
        return None, found.picked is None and found.proven and not coupled

    def _options(self, interval: int, *, fifos: bool = True) -> tuple[list[Array], Array, bool]:
        """Price each unit's options that keep an interval, and everything else; tell whether options are coupled."""
        around = Surroundings(self._placed, self._setting, interval, self._make, fifos=fifos)
        least = {index: unit.picks[int(unit.cycles.argmin())][0] for index, unit in self._units.items()}
        options = []
        for index, unit in self._units.items():
            rows = np.flatnonzero(unit.cycles <= interval)
            folds = list(dict.fromkeys(unit.picks[row][0] for row in rows))
            bill = around.price(index, folds, least, alone=True)
            table = dict(zip(folds, np.stack([bill[area].numpy() for area in AREAS], axis=1), strict=True))
            options.append(unit.areas[rows] + np.stack([table[unit.picks[row][0]] for row in rows]))
        return options, self._areas(around.rest(least)), around.coupled

    def _design(self, interval: int, picked: Sequence[int], clock_mhz: float) -> Design:
        chosen = {
            index: unit.picks[np.flatnonzero(unit.cycles <= interval)[position]]
            for (index, unit), position in zip(self._units.items(), picked, strict=True)
        }
        folds = {index: pick[0] for index, pick in chosen.items()}
        ways, memories = {item.layer: "lut" for item in self._placed}, {item.layer: "auto" for item in self._placed}
        for index, (_, way, memory) in chosen.items():
            ways[self._units[index].layer], memories[self._units[index].layer] = way, memory

        def make(item: Placed, fold: Fold | None) -> Job:
            multiplies = isinstance(item.block, MatVec | ScaleBias | Multiplier)
            style = (ways[item.layer], memories[item.layer]) if multiplies else ("lut", "auto")
            return Job(item.layer, item.block, fold, *style)

        jobs = Chooser(_formula, folds, make, self._setting.fused).jobs(self._placed, interval)
        if self._scheduled:
            jobs = queued(jobs, FORMULAS)
        return Design(
            folding=Folding(immutabledict({self._names[index]: fold for index, fold in folds.items()}), interval),
            multipliers=immutabledict(ways),
            weight_memory=immutabledict(memories),
            used=immutabledict(dict(zip(AREAS, map(float, self._areas(jobs)), strict=True))),
            fps=frames_per_second(interval, clock_mhz),
            optimal=False,
        )

    def _shortage(self, interval: int) -> str:
        """Name what the smallest pipeline of an interval needs of every resource that is short."""
        options, rest, _ = self._options(interval)
        least = rest + sum((rows.min(0) for rows in options), np.zeros(len(AREAS)))
        short = [
            f"{ceil(need):,} {area} of {floor(have):,}"
            for area, need, have in zip(AREAS, least, self._limits, strict=True)
            if need > have
        ]
        return (
            f"at least {', '.join(short)}" if short else "too much of all together, though each resource alone would do"
        )

    def _too_big(self, interval: int) -> BadFolding:
        return BadFolding(
            f"the network does not fit, however slow: it needs {self._shortage(interval)}; {self._remedy}"
        )


def _formula(item: Placed) -> Formula[Any]:
    formula = FORMULAS.get(type(item.block))
    if not isinstance(formula, Formula):
        raise BadOption(
            f"{item.layer}: a {type(item.block).__name__} block has no formula with folds to search; use target_fps"
        )
    return formula


def _undominated(rows: Array) -> NDArray[np.int64]:
    """Indices of the rows that no other row is at most as large as, in every column; of equal rows the first."""
    order = np.lexsort(rows.T[::-1])
    kept: list[int] = []
    for index in order:
        if not kept or not (rows[kept] <= rows[index]).all(axis=1).any():
            kept.append(int(index))
    return np.array(sorted(kept), dtype=np.int64)
