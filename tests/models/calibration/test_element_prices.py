"""Units of elements and orders become the blocks that a network has."""

from hwcost.graph.blocks import ChannelSum, Pad, Reorder
from hwcost.models.calibration.corpus import Unit
from hwcost.models.calibration.element_prices import ELEMENT_BLOCKS


def test_geometry_of_a_unit_is_that_of_its_block() -> None:
    _, total = ELEMENT_BLOCKS["channel_sum"](
        Unit(kind="channel_sum", input="INT4", output="INT9", pe=2, geometry="3x7")
    )
    assert isinstance(total, ChannelSum) and (total.channels, total.vectors) == (6, 7)
    _, order = ELEMENT_BLOCKS["reorder"](Unit(kind="reorder", input="UINT4", pe=2, geometry="2x3 3x1"))
    assert isinstance(order, Reorder) and (order.held, order.vectors) == (2 * 6, 6)
    _, pad = ELEMENT_BLOCKS["pad"](Unit(kind="pad", input="UINT4", pe=2, geometry="3x5 -1x0 0x2"))
    assert isinstance(pad, Pad) and pad.sides == (6, 5) and pad.pads == ((-2, 0), (0, 2))
