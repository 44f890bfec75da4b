"""The fastest pipeline that fits: folding, LUT or DSP multipliers and weight memories, chosen together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from hwcost.errors import BadFolding, BadOption
from hwcost.models.coefficients import FLOWS
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.folding import Folding, keep_up, unit_names
from hwcost.models.formula import Fold, Formula, Job, Setting
from hwcost.models.formulas import FORMULAS
from hwcost.models.matvec import MAX_STREAM_BITS, MatVecFormula, fault
from hwcost.models.memo import PriceMemo
from hwcost.models.memory import STYLES
from hwcost.models.options import BANKS, MULTIPLIERS, THRESHOLDS, choice
from hwcost.models.resources import AREAS, HasLayers, Placed, place
from hwcost.models.selection import Choices, select
from hwcost.spec import MatVec

Array = NDArray[np.float64]


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


def most_fps(
    pipeline: HasLayers,
    *,
    device: Device | str,
    clock_mhz: float = 100.0,
    budget: Mapping[str, float] | None = None,
    multipliers: str = "any",
    weight_memory: str = "any",
    weight_banks: str = "shared",
    thresholds: str = "search",
    flow: str = "rtl",
    max_stream_bits: int = MAX_STREAM_BITS,
) -> Design:
    """The highest frame rate that fits a part, at the widths of now.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        device: a Device, or its name.
        clock_mhz: of the fabric, above 0.
        budget: resource -> most that may be used; by default what the part digests (`Device.usable`). Resources
            that are not named are limited by the part.
        multipliers: "lut", "dsp", or "any" to choose per layer.
        weight_memory: "lutram", "bram18", "uram", "external", or "any" of the first three per layer.
        weight_banks, thresholds, flow: as `Dataflow`.
        max_stream_bits: widest legal stream.

    Returns:
        A Design. Among those of the highest rate, one that takes a small part of the budget.

    Raises:
        BadFolding: not even the smallest pipeline fits. BadOption: an unknown choice or resource.
        UnknownDevice: no such part.

    Error: the search is exact over legal divisors where `optimal` is true.
    """
    if not clock_mhz > 0:
        raise BadOption(f"most_fps: clock_mhz={clock_mhz}; must be above 0")
    choice("multipliers", multipliers, (*MULTIPLIERS, "any"))
    choice("weight_memory", weight_memory, (*STYLES, "any"))
    choice("weight_banks", weight_banks, BANKS)
    choice("thresholds", thresholds, THRESHOLDS)
    choice("flow", flow, FLOWS)
    part = find_device(device) if isinstance(device, str) else device
    setting = Setting(part.dsp_kind, thresholds, flow, weight_banks)
    search = _Search(place(pipeline.layers()), setting, _limits(part, budget))
    ways = MULTIPLIERS if multipliers == "any" else (multipliers,)
    memories = ("lutram", "bram18", "uram")[: 3 if part.URAM else 2] if weight_memory == "any" else (weight_memory,)
    search.list_units(list(product(ways, memories)), max_stream_bits)
    return search.fastest(clock_mhz * 1e6)


def _limits(part: Device, budget: Mapping[str, float] | None) -> Array:
    if budget is None:
        return np.array([part.usable[area] for area in AREAS])
    unknown = sorted(set(budget) - set(AREAS))
    if unknown or any(not amount >= 0 for amount in budget.values()):
        raise BadOption(f"most_fps: budget={dict(budget)}; give amounts of at least 0 of {', '.join(AREAS)}")
    return np.array([budget.get(area, part.capacity[area]) for area in AREAS], dtype=np.float64)


class _Search:
    """One search for the smallest interval."""

    def __init__(self, placed: Sequence[Placed], setting: Setting, limits: Array) -> None:
        self._placed = placed
        self._setting = setting
        self._limits = limits
        self._memo = PriceMemo(setting)
        self._names = unit_names(placed)
        self._others = [item for index, item in enumerate(placed) if index not in self._names]
        self._units: list[_Unit] = []

    def list_units(self, styles: Sequence[tuple[str, str]], max_stream_bits: int) -> None:
        """Price every option of every unit."""
        layers = [self._placed[index].layer for index in self._names]
        for index, name in self._names.items():
            item = self._placed[index]
            # a choice is made per layer: where a layer has several units they all take the first one
            ways = styles if layers.count(item.layer) == 1 else styles[:1]
            self._units.append(self._unit(name, item, ways, max_stream_bits))

    def _unit(self, name: str, item: Placed, styles: Sequence[tuple[str, str]], max_stream_bits: int) -> _Unit:
        formula, block = MatVecFormula(), item.block
        assert isinstance(block, MatVec)
        folds = [fold for fold in formula.folds(block) if fault(block, fold, max_stream_bits) is None]
        picks = [(fold, *style) for fold in folds for style in styles]
        jobs = [Job(item.layer, block, *pick) for pick in picks]
        with torch.no_grad():
            bill = formula(jobs, self._setting)
        cycles = bill["cycles"].numpy()
        areas = np.stack([bill[area].numpy() for area in AREAS], axis=1)
        kept = _undominated(np.column_stack([cycles, areas]))
        if not len(kept):
            raise BadFolding(f"{name}: no legal folding; its narrowest stream is above {max_stream_bits} bits")
        return _Unit(name, item.layer, [picks[i] for i in kept], cycles[kept], areas[kept])

    def fastest(self, clock_hz: float) -> Design:
        """Bisect over the intervals that the options allow."""
        steps = self._intervals()
        low, high = 0, len(steps) - 1
        best = self._fit(steps[high])
        if best.picked is None:
            raise BadFolding(self._too_big(steps[high]))
        optimal = True
        while low < high:
            middle = (low + high) // 2
            found = self._fit(steps[middle])
            if found.picked is not None:
                best, high = found, middle
            else:
                low, optimal = middle + 1, optimal and found.proven
        return self._design(steps[high], best, clock_hz, optimal)

    def _intervals(self) -> list[int]:
        """Every interval at which a choice changes and all blocks can keep up, ascending."""
        every = {int(c) for unit in self._units for c in unit.cycles}
        slowest = max((int(unit.cycles.min()) for unit in self._units), default=1)
        for item in self._others:
            formula = _formula(item)
            cycles = {formula.cycles(item.block, fold) for fold in formula.folds(item.block)}
            slowest = max(slowest, min(cycles))
            every |= cycles
        return sorted(c for c in every if c >= slowest) or [slowest]

    def _fixed(self, interval: int) -> Array:
        """What the blocks without a choice take at an interval."""
        jobs = [
            Job(item.layer, item.block, keep_up(item.layer, item.block, _formula(item), interval), "lut", "auto")
            for item in self._others
        ]
        if not jobs:
            return np.zeros(len(AREAS))
        with torch.no_grad():
            formulas = [_formula(item) for item in self._others]
            bill = self._memo.price(formulas, jobs)
            if bill is None:
                rows = [formula([job], self._setting) for formula, job in zip(formulas, jobs, strict=True)]
                bill = torch.stack([torch.cat([row[area] for area in AREAS]) for row in rows])
        total: Array = bill[:, : len(AREAS)].sum(0).numpy()
        return total

    def _fit(self, interval: int) -> Choices:
        options = [unit.areas[unit.cycles <= interval] for unit in self._units]
        return select(options, self._limits - self._fixed(interval), self._limits)

    def _design(self, interval: int, found: Choices, clock_hz: float, optimal: bool) -> Design:
        assert found.picked is not None
        used = self._fixed(interval)
        folds, ways, memories = {}, {item.layer: "lut" for item in self._placed}, {}
        memories = {item.layer: "auto" for item in self._placed}
        for unit, position in zip(self._units, found.picked, strict=True):
            index = np.flatnonzero(unit.cycles <= interval)[position]
            folds[unit.name], ways[unit.layer], memories[unit.layer] = unit.picks[index]
            used = used + unit.areas[index]
        return Design(
            folding=Folding(MappingProxyType(folds), interval),
            multipliers=MappingProxyType(ways),
            weight_memory=MappingProxyType(memories),
            used=MappingProxyType({area: float(amount) for area, amount in zip(AREAS, used, strict=True)}),
            fps=clock_hz / interval,
            optimal=optimal,
        )

    def _too_big(self, interval: int) -> str:
        least = self._fixed(interval) + sum((unit.areas.min(0) for unit in self._units), np.zeros(len(AREAS)))
        short = [
            f"{need:,.0f} {area} of {have:,.0f}"
            for area, need, have in zip(AREAS, least, self._limits, strict=True)
            if need > have
        ]
        needs = ", ".join(short) if short else "all resources together, though each alone would do"
        return f"most_fps: the network does not fit, however slow: it needs at least {needs}; take a larger part"


def _formula(item: Placed) -> Formula:
    formula = FORMULAS.get(type(item.block))
    if not isinstance(formula, Formula):
        raise BadOption(f"{item.layer}: most_fps cannot fold a {type(item.block).__name__} block; use target_fps")
    return formula


def _undominated(rows: Array) -> NDArray[np.int64]:
    """Indices of the rows that no other row is at most as large as, in every column; of equal rows the first."""
    order = np.lexsort(rows.T[::-1])
    kept: list[int] = []
    for index in order:
        if not kept or not (rows[kept] <= rows[index]).all(axis=1).any():
            kept.append(int(index))
    return np.array(sorted(kept), dtype=np.int64)
