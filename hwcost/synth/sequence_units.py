"""Units of blocks of layers on sequences."""

from hwcost.graph.inverse import Inverse
from hwcost.graph.ranges import widest
from hwcost.graph.spec import MatVec
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.formulas.formula import Fold


def inverse(block: Inverse) -> Unit:
    """The unit of an inverse."""
    low, high = (int(bound.detach()) for bound in (block.input.low, block.input.high))
    return Unit(kind="inverse", structure=block.kind, geometry=f"{low}x{high} {block.index_bits}x{block.bits}")


def held(block: MatVec, fold: Fold) -> Unit:
    """The memories of streamed weights, with their control."""
    return Unit(
        kind="held",
        weight=name_of(widest(block.weight)),
        pe=fold.pe,
        simd=fold.simd,
        structure="cols" if block.by_column else "rows",
        geometry=f"{block.rows}x{block.cols}x{block.held}x{block.vectors}",
    )
