"""What only moves elements: what it describes is what integers do, and what would reorder a stream is refused."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from ordered_networks import ORDERED, Around, conv, dense, ordered
from torch import Tensor, nn

from hwcost.errors import HwcostError
from hwcost.graph.blocks import Pad, Reorder, Repeat
from hwcost.graph.order import RESHAPES, piece
from hwcost.graph.rules import RULES
from hwcost.graph.trace import trace
from hwcost.integer import IntegerNetwork


@pytest.mark.parametrize("name", ORDERED)
def test_integers_equal_the_network(name: str) -> None:
    net, shape = ordered(name)
    net = deepcopy(net).double().eval()
    x = torch.rand(8, *shape, dtype=torch.float64) * 2.4 - 1.2
    integer = IntegerNetwork.of(trace(net, x[:1]))
    assert torch.allclose(integer.values(x), net(x).detach(), rtol=0, atol=1e-12)
    assert len(set(integer.values(x).flatten().tolist())) > 3


def blocks_of(name: str) -> list[object]:
    net, shape = ordered(name)
    return [block for layer in trace(net, torch.zeros(1, *shape)).layers() for block in layer.blocks]


def test_a_crop_counts_what_enters_and_what_leaves() -> None:
    (pad,) = (block for block in blocks_of("half of the channels") if isinstance(block, Pad))
    assert pad.sides == (6, 5, 5) and pad.pads == ((-3, 0), (0, 0), (0, 0)) and pad.span == (6, 5, 5)
    (pad,) = (block for block in blocks_of("padded by a module") if isinstance(block, Pad))
    assert pad.pads == ((0, 0), (0, 1), (1, 2)) and pad.span == (4, 6, 8)


def test_a_repetition_holds_what_is_read_again() -> None:
    (square,) = (block for block in blocks_of("upsampled") if isinstance(block, Repeat))
    assert (square.vectors, square.held) == (6 * 8, 4)
    (line,) = (block for block in blocks_of("upsampled along one side") if isinstance(block, Repeat))
    assert (line.vectors, line.held) == (3 * 12, 1)


def test_a_shuffle_holds_the_lines_that_it_mixes() -> None:
    (up,) = (block for block in blocks_of("shuffled") if isinstance(block, Reorder))
    assert up.held == 8 * 4
    (down,) = (block for block in blocks_of("unshuffled") if isinstance(block, Reorder))
    assert down.held == 2 * 6 * 2
    (pixel,) = (block for block in blocks_of("groups interleaved") if isinstance(block, Reorder))
    assert (pixel.held, pixel.channels, pixel.vectors) == (6, 6, 20)


@pytest.mark.parametrize(
    ("front", "shape", "function", "message"),
    [
        (conv(2, 4), (2, 4, 6), lambda x: x.transpose(2, 3), "transposes the image"),
        (conv(2, 4), (2, 4, 6), lambda x: x.permute(1, 0, 2, 3), "moves the batch"),
        (conv(2, 4), (2, 4, 6), lambda x: x.reshape(x.size(0), 8, 12), "reorders the stream"),
        (conv(2, 4), (2, 4, 6), lambda x: x.reshape(-1, 12), "between samples"),
        (conv(2, 4), (2, 4, 6), lambda x: x[:, ::2], "slices of step 1"),
        (conv(2, 4), (2, 4, 6), lambda x: x[:, [1, 0]], "neighbouring elements"),
        (conv(2, 4), (2, 4, 6), lambda x: x[:, 1], "drops the dimension"),
        (conv(2, 4), (2, 4, 6), nn.ConstantPad2d(1, 2.0), "pads with 2.0"),
        (conv(2, 4), (2, 4, 6), nn.Upsample(scale_factor=2, mode="bilinear"), "mode='nearest'"),
        (dense(6, 4), (5, 6), nn.Conv1d(5, 2, 1), "no rule"),
        (dense(6, 4), (5, 6), nn.ChannelShuffle(5), r"shuffles the channels .*; give it \(channels, ...\)"),
    ],
)
def test_what_the_stream_cannot_do_is_refused_with_a_remedy(
    front: nn.Module, shape: tuple[int, ...], function: Callable[[Tensor], Tensor], message: str
) -> None:
    with pytest.raises(HwcostError, match=message):
        trace(Around(front, function, None), torch.zeros(2, *shape))


def test_a_map_per_channel_does_not_survive_a_shuffle() -> None:
    net = nn.Sequential(conv(2, 8), nn.BatchNorm2d(8), nn.PixelShuffle(2))
    with pytest.raises(HwcostError, match="put a QuantIdentity in front"):
        trace(net, torch.zeros(1, 2, 4, 4), input_bits=4)


def test_pieces_are_slices() -> None:
    x = torch.randn(2, 6, 5)
    for pieces in (x.chunk(4, 1), torch.tensor_split(x, 4, 1), x.unbind(2), x.chunk(2, -1)):
        for index, one in enumerate(pieces):
            assert torch.equal(x[piece(x, pieces, index)], one)


def test_every_name_of_a_reshape_has_the_rule() -> None:
    assert len({RULES[key] for key in RESHAPES}) == 1
