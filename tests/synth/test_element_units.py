"""Units of elements and orders: their geometry is that of the block, and their RTL is right."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.graph.blocks import ChannelSum, Multiplier, Pad, Reorder, Repeat, Table
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block
from hwcost.models.calibration.corpus import Unit
from hwcost.synth.element_units import element, ordered

WIRE = integers(3, signed=False)


@pytest.mark.parametrize(
    ("block", "pe", "unit"),
    [
        (
            Repeat(channels=4, image=(3, 5), factors=(2, 3), input=WIRE),
            2,
            Unit(kind="reorder", input="UINT3", pe=2, geometry="2x3x5x2 1x0x2x0"),
        ),
        (
            Repeat(channels=4, image=(3, 5), factors=(1, 2), input=WIRE),
            4,
            Unit(kind="reorder", input="UINT3", pe=4, geometry="2 0"),
        ),
        (
            Reorder(channels=2, vectors=32, held=32, lanes=2, input=WIRE),
            2,
            Unit(kind="reorder", input="UINT3", pe=2, geometry="16 1"),
        ),
        (
            Pad(sides=(4, 6, 5), pads=((-2, 0), (1, 0), (0, -1)), input=WIRE, output=WIRE),
            2,
            Unit(kind="pad", input="UINT3", pe=2, geometry="2x5x6 -1x0x1 0x-1x0"),
        ),
    ],
)
def test_a_stream_in_another_order(block: Repeat | Reorder | Pad, pe: int, unit: Unit) -> None:
    assert ordered(block, pe) == unit
    assert prove(unit, vectors=2)


def test_elements_have_a_unit_of_one_pe() -> None:
    total = ChannelSum(channels=8, vectors=4, input=WIRE, output=integers(5, signed=False))
    product = Multiplier(channels=8, vectors=4, left=WIRE, right=WIRE, output=integers(6, signed=False))
    table = Table(channels=8, vectors=4, input=WIRE, output=WIRE)
    assert element(total, 2) == Unit(kind="channel_sum", input="UINT3", output="UINT5", geometry="4x4")
    assert element(product, 2) == Unit(kind="multiplier", input="UINT3", weight="UINT3")
    assert element(table, 2) == Unit(kind="table", input="UINT3", output="UINT3")
    assert element(Block(), 2) is None
