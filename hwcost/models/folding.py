"""How parallel each unit is built: legality, and the cheapest folding that reaches a frame rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from types import MappingProxyType

import torch

from hwcost.errors import BadFolding, BadOption
from hwcost.models.coefficients import FLOWS
from hwcost.models.formula import Fold, Formula, Job, Setting
from hwcost.models.formulas import FORMULAS
from hwcost.models.matvec import MAX_STREAM_BITS, MatVecFormula, fault
from hwcost.models.options import BANKS, MEMORIES, MULTIPLIERS, choice, chosen
from hwcost.models.resources import HasLayers, Placed, place
from hwcost.spec import Block, MatVec

__all__ = ["Fold", "Folding", "keep_up", "target_fps", "unit_names"]


@dataclass(frozen=True)
class Folding(Mapping[str, Fold]):
    """A fold for every matrix-vector unit, and the interval that the whole pipeline keeps.

    Attributes:
        folds: unit name -> Fold.
        interval_cycles: no block takes longer per inference.
    """

    folds: Mapping[str, Fold]
    interval_cycles: int

    def __getitem__(self, name: str) -> Fold:
        return self.folds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)


def unit_names(placed: Sequence[Placed]) -> dict[int, str]:
    """Index in `placed` -> name of the matrix-vector unit: its layer's, with [0], [1]... where a layer has several."""
    units: dict[str, list[int]] = {}
    for index, item in enumerate(placed):
        if isinstance(item.block, MatVec):
            units.setdefault(item.layer, []).append(index)
    names = {}
    for layer, rows in units.items():
        for position, index in enumerate(rows):
            names[index] = layer if len(rows) == 1 else f"{layer}[{position}]"
    return names


def keep_up(layer: str, block: Block, formula: Formula, interval_cycles: int | None) -> Fold:
    """The least parallelism of a block that meets an interval; None asks for the least of all.

    Raises:
        BadFolding: not even the most parallel form is that fast.
    """
    folds = formula.folds(block)
    if interval_cycles is None:
        return folds[0]
    for fold in folds:
        if formula.cycles(block, fold) <= interval_cycles:
            return fold
    best = min(formula.cycles(block, fold) for fold in folds)
    raise BadFolding(
        f"{layer}: {type(block).__name__} takes {best} cycles per frame at best, above the interval of "
        f"{interval_cycles} that the pipeline keeps; fold the other units more"
    )


def target_fps(
    pipeline: HasLayers,
    fps: float,
    *,
    clock_mhz: float = 100.0,
    multipliers: str | Mapping[str, str] = "lut",
    weight_memory: str | Mapping[str, str] = "auto",
    weight_banks: str = "shared",
    flow: str = "rtl",
    max_stream_bits: int = MAX_STREAM_BITS,
) -> Folding:
    """The folding that reaches a frame rate with the fewest LUTs, at the widths of now.

    At a fixed interval the units do not depend on each other, so the choice per unit, over all legal divisors, is the
    optimum of the whole. Equal LUTs: fewer BRAM18, then fewer multipliers.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        fps: frames per second, above 0.
        clock_mhz: of the fabric, above 0.
        multipliers, weight_memory, weight_banks, flow: as `Dataflow`.
        max_stream_bits: widest legal stream.

    Returns:
        A Folding: unit name -> Fold.

    Raises:
        BadFolding: a block that cannot be that fast; names it and the best rate that it reaches.
        BadOption: a rate or a clock that is not above 0, an unknown choice.
    """
    if not (fps > 0 and clock_mhz > 0):
        raise BadOption(f"target_fps: fps={fps}, clock_mhz={clock_mhz}; both must be above 0")
    choice("multipliers", multipliers, MULTIPLIERS)
    choice("weight_memory", weight_memory, MEMORIES)
    choice("weight_banks", weight_banks, BANKS)
    choice("flow", flow, FLOWS)
    clock_hz = clock_mhz * 1e6
    interval = floor(clock_hz / fps)
    # neither the slice nor the thresholds touch what is compared: LUT and BRAM18 of units
    setting = Setting("DSP48E2", "search", flow, weight_banks)
    placed = place(pipeline.layers())
    names = unit_names(placed)
    folds = {}
    for index, item in enumerate(placed):
        legal = _candidates(names.get(index, item.layer), item.block, interval, clock_hz, max_stream_bits)
        if index in names:
            style = chosen(multipliers, "multipliers", item.layer), chosen(weight_memory, "weight_memory", item.layer)
            jobs = [Job(item.layer, item.block, fold, *style) for fold in legal]
            folds[names[index]] = _cheapest(jobs, setting)
    return Folding(MappingProxyType(folds), interval)


def _candidates(name: str, block: Block, interval: int, clock_hz: float, max_stream_bits: int) -> list[Fold]:
    """The legal folds of a block that meet the interval; none asked of a kind that has no folding."""
    formula = FORMULAS.get(type(block))
    if not isinstance(formula, Formula):
        return []
    legal = formula.folds(block)
    if isinstance(block, MatVec):
        legal = [fold for fold in legal if fault(block, fold, max_stream_bits) is None]
    if not legal:
        raise BadFolding(f"{name}: no legal folding; its narrowest stream is above {max_stream_bits} bits")
    cycles = {fold: formula.cycles(block, fold) for fold in legal}
    fast = [fold for fold in legal if cycles[fold] <= interval]
    if not fast:
        best = min(cycles.values())
        raise BadFolding(
            f"{name}: {type(block).__name__} takes {best} cycles per frame at best, that is {clock_hz / best:,.0f} "
            f"frames/s at {clock_hz / 1e6:g} MHz, but {interval} are allowed; ask for less or raise the clock"
        )
    return fast


def _cheapest(jobs: Sequence[Job], setting: Setting) -> Fold:
    with torch.no_grad():
        bill = MatVecFormula()(jobs, setting)
    rank = list(zip(bill["LUT"].tolist(), bill["BRAM18"].tolist(), strict=True))
    best = min(range(len(jobs)), key=lambda i: (*rank[i], jobs[i].parallel.pe * jobs[i].parallel.simd))
    return jobs[best].parallel
