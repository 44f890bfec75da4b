"""Where the channels of a stream are."""

from hwcost.graph.ranges import integers
from hwcost.graph.wire import Signal


def test_channels_are_first_unless_the_stream_says_otherwise() -> None:
    wire = integers(4, signed=False)
    image, sequence = Signal(range=wire, shape=(3, 4, 5)), Signal(range=wire, shape=(7, 6), channels_last=True)
    assert (image.channels, image.spatial, image.positions) == (3, (4, 5), 20)
    assert (sequence.channels, sequence.spatial, sequence.positions) == (6, (7,), 7)
