"""The cheapest folding that reaches a frame rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from types import MappingProxyType

from hwcost.errors import BadFolding, BadOption
from hwcost.graph.spec import Block, Link, MatVec
from hwcost.models.folding.folds import Folding, unit_names
from hwcost.models.folding.unit_context import Surroundings
from hwcost.models.formulas.coefficients import FLOWS
from hwcost.models.formulas.formula import Fold, Formula, Job, Setting
from hwcost.models.formulas.matvec import MAX_STREAM_BITS, fault
from hwcost.models.formulas.table import FORMULAS
from hwcost.models.links import place
from hwcost.models.options import BANKS, MEMORIES, MULTIPLIERS, THRESHOLDS, choice, chosen
from hwcost.models.resources import HasLayers, Placed

ROUNDS = 8
"""Passes over the units, where units without an activation between them wait for each other's choice."""


def target_fps(
    pipeline: HasLayers,
    fps: float,
    *,
    clock_mhz: float = 100.0,
    multipliers: str | Mapping[str, str] = "lut",
    weight_memory: str | Mapping[str, str] = "auto",
    weight_banks: str = "shared",
    thresholds: str = "search",
    flow: str = "rtl",
    max_stream_bits: int = MAX_STREAM_BITS,
) -> Folding:
    """The folding that reaches a frame rate with the fewest LUTs, at the widths of now.

    A unit is weighed with all that follows from its fold: the window in front of it, the converters and FIFOs on both
    sides. At a fixed interval units with an activation of its own between them do not depend on each other, so the
    choice per unit, over all legal divisors, is the optimum of the whole; else (units in a row, activations fused into
    HLS units) choices are repeated until none improves. Equal LUTs: fewer BRAM18, then fewer multipliers.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        fps: frames per second, above 0.
        clock_mhz: of the fabric, above 0.
        multipliers, weight_memory, weight_banks, thresholds, flow: as `Dataflow`.
        max_stream_bits: widest legal stream.

    Returns:
        A Folding: unit name -> Fold.

    Raises:
        BadFolding: a block that cannot be that fast; names it and the best rate that it reaches.
        BadOption: a rate or a clock that is not above 0, an unknown choice.
    """
    return fold_blocks(
        place(pipeline.layers()),
        fps,
        clock_mhz=clock_mhz,
        multipliers=multipliers,
        weight_memory=weight_memory,
        weight_banks=weight_banks,
        thresholds=thresholds,
        flow=flow,
        max_stream_bits=max_stream_bits,
    )


def fold_blocks(
    placed: Sequence[Placed],
    fps: float,
    *,
    clock_mhz: float,
    multipliers: str | Mapping[str, str],
    weight_memory: str | Mapping[str, str],
    weight_banks: str,
    thresholds: str,
    flow: str,
    max_stream_bits: int,
) -> Folding:
    """As `target_fps`, of the blocks from `place`."""
    if not (fps > 0 and clock_mhz > 0):
        raise BadOption(f"target_fps: fps={fps}, clock_mhz={clock_mhz}; both must be above 0")
    choice("multipliers", multipliers, MULTIPLIERS)
    choice("weight_memory", weight_memory, MEMORIES)
    choice("weight_banks", weight_banks, BANKS)
    choice("thresholds", thresholds, THRESHOLDS)
    choice("flow", flow, FLOWS)
    clock_hz = clock_mhz * 1e6
    interval = floor(clock_hz / fps)
    names = unit_names(placed)
    legal = {}
    for index, item in enumerate(placed):
        found = _candidates(names.get(index, item.layer), item.block, interval, clock_hz, max_stream_bits)
        if index in names:
            legal[index] = found

    def make(item: Placed, fold: Fold | None) -> Job:
        unit = isinstance(item.block, MatVec)
        return Job(
            layer=item.layer,
            block=item.block,
            fold=fold,
            multipliers=chosen(multipliers, "multipliers", item.layer) if unit else "lut",
            weight_memory=chosen(weight_memory, "weight_memory", item.layer) if unit else "auto",
        )

    # the slice does not touch what is compared: LUT and BRAM18
    setting = Setting("DSP48E2", thresholds, flow, weight_banks)
    around = Surroundings(placed, setting, interval, make)
    return Folding(MappingProxyType(_settled(around, legal, names)), interval)


def _settled(around: Surroundings, legal: Mapping[int, list[Fold]], names: Mapping[int, str]) -> dict[str, Fold]:
    """Each unit's cheapest fold, given those of the others."""
    folds = {index: candidates[0] for index, candidates in legal.items()}
    for _ in range(ROUNDS if around.coupled else 1):
        before = dict(folds)
        for index, candidates in legal.items():
            bill = around.price(index, candidates, folds)
            rank = list(zip(bill["LUT"].tolist(), bill["BRAM18"].tolist(), strict=True))
            best = min(range(len(rank)), key=lambda i: (*rank[i], candidates[i].pe * candidates[i].simd))
            folds[index] = candidates[best]
        if folds == before:
            break
    return {names[index]: fold for index, fold in folds.items()}


def _candidates(name: str, block: Block, interval: int, clock_hz: float, max_stream_bits: int) -> list[Fold]:
    """The legal folds of a block that meet the interval; none asked of a kind that has no folding."""
    formula = FORMULAS.get(type(block))
    if not isinstance(formula, Formula) or isinstance(block, Link):
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
