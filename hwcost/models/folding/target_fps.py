"""The cheapest folding that reaches a frame rate."""

from collections.abc import Mapping, Sequence
from typing import Unpack

from immutabledict import immutabledict

from hwcost.errors import BadFolding
from hwcost.graph.spec import Link, MatVec
from hwcost.models.amounts import whole
from hwcost.models.folding.folds import Folding, unit_names
from hwcost.models.folding.unit_context import Surroundings
from hwcost.models.formulas.formula import Fold, Formula
from hwcost.models.formulas.matvec import MAX_STREAM_BITS, check_streams, fault
from hwcost.models.formulas.table import FORMULAS
from hwcost.models.links import place
from hwcost.models.options import StyleOptions, Styles
from hwcost.models.rates import clock, frames_per_second, interval_cycles, rate_text
from hwcost.models.resources import HasLayers, Placed, layers_of

ROUNDS = 8
"""Passes over the units, where units without an activation between them wait for each other's choice."""


def target_fps(
    pipeline: HasLayers,
    fps: float,
    *,
    clock_mhz: float = 100.0,
    max_stream_bits: int = MAX_STREAM_BITS,
    **styles: Unpack[StyleOptions],
) -> Folding:
    """Find the folding that reaches a frame rate with the fewest LUTs, at the current widths.

    A unit is weighed with all that follows from its fold: the window in front of it, the converters and FIFOs on both
    sides. At a fixed interval units with an activation of its own between them do not depend on each other, so the
    choice per unit, over all legal divisors, is the optimum of the whole, with the FIFOs that neighbours ask for; else
    (units in a row, activations fused into HLS units) choices are repeated until none improves. Where paths fork and
    join, `Dataflow` prices FIFOs from the cycle of every word of the whole pipeline, which this choice does not weigh.
    Equal LUTs: fewer BRAM18, then fewer multipliers.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        fps: frames per second, above 0.
        clock_mhz: of the fabric, above 0.
        max_stream_bits: widest legal stream.
        styles: as `Dataflow`.

    Returns:
        A Folding: unit name -> Fold.

    Raises:
        BadFolding: a block that cannot be that fast; names the slowest one and the highest rate of the pipeline.
        BadOption: a rate or a clock that is not finite or not above 0, an unknown choice.
    """
    layers = layers_of(pipeline)
    chosen = Styles(**styles)
    chosen.check_names([layer.name for layer in layers])
    return fold_blocks(place(layers), fps, chosen, clock_mhz=clock_mhz, max_stream_bits=max_stream_bits)


def fold_blocks(
    placed: Sequence[Placed], fps: float, styles: Styles, *, clock_mhz: float, max_stream_bits: int
) -> Folding:
    """Fold the blocks from `place` as `target_fps` does."""
    clock_mhz, max_stream_bits = clock(clock_mhz), whole("max_stream_bits", max_stream_bits)
    interval = interval_cycles(fps, clock_mhz)
    names = unit_names(placed)
    legal = _candidates(placed, names, interval, clock_mhz, max_stream_bits)

    # the slice does not touch what is compared: LUT and BRAM18
    around = Surroundings(placed, styles.setting("DSP48E2"), interval, styles.job)
    return Folding(immutabledict(_settled(around, legal, names)), interval)


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


def _candidates(
    placed: Sequence[Placed], names: Mapping[int, str], interval: int, clock_mhz: float, max_stream_bits: int
) -> dict[int, list[Fold]]:
    """The legal folds of every unit that meet the interval, by position among the placed blocks."""
    units = {name: block for index, name in names.items() if isinstance(block := placed[index].block, MatVec)}
    check_streams(units, max_stream_bits)
    fast: dict[int, list[Fold]] = {}
    best, slowest = 0, ""
    for index, item in enumerate(placed):
        formula, block = FORMULAS.get(type(item.block)), item.block
        if not isinstance(formula, Formula) or isinstance(block, Link):
            continue
        folds = formula.folds(block)
        if isinstance(block, MatVec):
            folds = [fold for fold in folds if fault(block, fold, max_stream_bits) is None]
        cycles = {fold: formula.cycles(block, fold) for fold in folds}
        if (least := min(cycles.values())) > best:
            best, slowest = least, f"{names.get(index, item.layer)}: {type(block).__name__}"
        if index in names:
            fast[index] = [fold for fold in folds if cycles[fold] <= interval]
    if best > interval:
        raise BadFolding(
            f"{slowest} takes at least {best:,} cycles per frame, but {interval:,} are allowed; ask for at most "
            f"{rate_text(frames_per_second(best, clock_mhz))} frames/s at {clock_mhz:g} MHz, or raise the clock"
        )
    return fast
