"""FINN's own choice of folding, to compare with."""

from collections.abc import Sequence

from hwcost.graph.ranges import widest
from hwcost.graph.spec import MatVec
from hwcost.models.amounts import whole
from hwcost.models.folding.folds import unit_names
from hwcost.models.formulas.formula import Fold, divisors
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.links import place
from hwcost.models.resources import HasLayers, layers_of


def set_folding(pipeline: HasLayers, target_cycles: int, *, weight_stream_bits: int = 36) -> dict[str, Fold]:
    """The folding of FINN's SetFolding: per unit, raise SIMD, then PE, until the unit is faster than the target.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        target_cycles: per inference, at least 1; FINN stops below it, and takes what it has if it never gets there.
        weight_stream_bits: widest weight word of one PE, while SIMD is raised.

    Returns:
        Unit name -> Fold.

    Raises:
        BadOption: a target below 1.

    Source: SetFolding of FINN dev 73ba5ed, its second pass included; units only.
    """
    target_cycles = whole("target_cycles", target_cycles)
    weight_stream_bits = whole("weight_stream_bits", weight_stream_bits)
    placed = place(layers_of(pipeline))
    units: dict[str, MatVec] = {}
    for index, name in unit_names(placed).items():
        block = placed[index].block
        assert isinstance(block, MatVec)
        units[name] = block
    folds = {name: _fold(block, target_cycles, weight_stream_bits) for name, block in units.items()}
    slowest = max((MatVecFormula().cycles(units[name], fold) for name, fold in folds.items()), default=1)
    if slowest <= target_cycles:
        return folds
    # out of reach: FINN folds the others down to what the slowest reaches
    return {name: _fold(block, slowest, weight_stream_bits) for name, block in units.items()}


def _fold(block: MatVec, target: int, weight_stream_bits: int) -> Fold:
    if block.groups > 1:
        return _depthwise(block, target)
    weight = int(widest(block.weight).bits.detach().ceil())
    narrow = [simd for simd in divisors(block.cols) if simd == 1 or weight * simd <= weight_stream_bits]
    fold = _raised(block, [Fold(1, simd) for simd in narrow], target)
    return _raised(block, [Fold(pe, fold.simd) for pe in divisors(block.rows)], target)


def _depthwise(block: MatVec, target: int) -> Fold:
    fold = _raised(block, [Fold(pe, 1) for pe in divisors(block.rows * block.groups)], target)
    if fold.pe < block.rows * block.groups:
        return fold
    return _raised(block, [Fold(fold.pe, simd) for simd in divisors(block.cols)], target)


def _raised(block: MatVec, steps: Sequence[Fold], target: int) -> Fold:
    """The first step that is faster than the target, or the last."""
    formula = MatVecFormula()
    return next((fold for fold in steps if formula.cycles(block, fold) < target), steps[-1])
