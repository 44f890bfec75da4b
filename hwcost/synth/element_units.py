"""Units of blocks that treat each element on its own, or change the order of a stream."""

from hwcost.graph.blocks import ChannelSum, Multiplier, Pad, Reorder, Repeat, Table
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Block
from hwcost.models.calibration.corpus import Unit, name_of


def element(block: Block, pe: int) -> Unit | None:
    """One PE of an element-wise block with `pe` of them; None of any other.

    A table is measured with random words, because a block does not know those of a network in training.
    """
    if isinstance(block, Multiplier):
        return Unit(kind="multiplier", input=name_of(widest(block.left)), weight=name_of(widest(block.right)))
    if isinstance(block, Table):
        return Unit(kind="table", input=name_of(widest(block.input)), output=name_of(widest(block.output)))
    if isinstance(block, ChannelSum):
        inputs, output = name_of(widest(block.input)), name_of(widest(block.output))
        return Unit(kind="channel_sum", input=inputs, output=output, geometry=f"{block.channels // pe}x{block.vectors}")
    return None


def ordered(block: Repeat | Reorder | Pad, pe: int) -> Unit:
    """The unit of a block that changes the order or the length of a stream."""
    wire = name_of(widest(block.input))
    if isinstance(block, Pad):
        (size, *pixels), (first, *pads) = block.sides, block.pads
        sides = [(size // pe, first[0] // pe, first[1] // pe)]
        sides += [(each, *ends) for each, ends in zip(reversed(pixels), reversed(pads), strict=True)]
        geometry = " ".join("x".join(map(str, column)) for column in zip(*sides, strict=True))
        return Unit(kind="pad", input=wire, pe=pe, geometry=geometry)
    loops = _repeated(block, pe) if isinstance(block, Repeat) else _transposed(block, pe)
    kept = [loop for loop in loops if loop[0] > 1] or [(1, 0)]
    geometry = " ".join("x".join(map(str, column)) for column in zip(*kept, strict=True))
    return Unit(kind="reorder", input=wire, pe=pe, geometry=geometry)


def _repeated(block: Repeat, pe: int) -> list[tuple[int, int]]:
    """Loops over what is held, the innermost first: words of a pixel, then each side and its repetitions."""
    words = block.channels // pe
    loops, way = [(words, 1)], words
    first = next((place for place, factor in enumerate(block.factors) if factor > 1), len(block.factors))
    for size, factor in reversed(list(zip(block.image, block.factors, strict=True))[first + 1 :]):
        loops += [(factor, 0), (size, way)]
        way *= size
    return [*loops, (block.factors[first] if first < len(block.factors) else 1, 0)]


def _transposed(block: Reorder, pe: int) -> list[tuple[int, int]]:
    """Loops that read what is held across the order in which it is written."""
    words, lanes = block.held // pe, block.lanes // pe
    inner = max(1, words // max(1, lanes))
    return [(lanes, 1), (inner, lanes)]
