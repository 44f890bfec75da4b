"""Geometry of blocks that change what a stream consists of."""

from hwcost.graph.blocks import Pad, Repeat
from hwcost.graph.ranges import integers

WIRE = integers(4, signed=False)


def test_a_repetition_buffers_everything_inside_the_outermost_repeated_side() -> None:
    held = {
        (1, 1, 1): 24, (2, 1, 1): 12, (1, 3, 1): 4, (1, 1, 2): 1, (2, 2, 2): 12
    }  # fmt: skip
    for factors, pixels in held.items():
        block = Repeat(channels=3, image=(2, 3, 4), factors=factors, input=WIRE)
        whole = factors == (1, 1, 1)
        assert block.held == (1 if whole else pixels) and block.output is WIRE


def test_a_crop_walks_over_what_it_drops() -> None:
    block = Pad(sides=(4, 6), pads=((-1, 0), (2, -3)), input=WIRE, output=WIRE)
    assert block.span == (4, 8) and (block.channels, block.vectors) == (4, 6)
