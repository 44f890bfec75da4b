"""Live code of a design whose weights are constants: what a synthesizer leaves of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block, Link, MatVec, Pool, Saturate, Thresholds, Window
from hwcost.graph.ste import with_gradient_of
from hwcost.models.resources import Placed

PASSING = (Thresholds, Window, Pool, Saturate)
"""Blocks whose output channels come from the input channels of the same number, and from nothing else."""


@dataclass(frozen=True, eq=False)
class Live:
    """The part of a design that its inputs reach and its outputs need.

    Attributes:
        codes: index of a product among the placed blocks -> int64 (outputs, cols), its integer weights, 0 where an
            input is constant or nobody uses the output.
        channels: index of another block with channels -> bool (channels,), those that are built.
    """

    codes: Mapping[int, Tensor]
    channels: Mapping[int, Tensor]


def live(placed: Sequence[Placed], codes: Mapping[int, Tensor]) -> Live:
    """Follow constants forward and uses backward through a pipeline.

    An output without weights is a constant, which the thresholds behind it make another; so is an activation of no
    bits. An output that all products behind it multiply by zero is not used.

    Args:
        placed: the blocks with the links between them, in the order of the stream, as `models.place` gives them. A
            block without links is taken to be read and driven by others.
        codes: index of a product -> its integer weights.
    """
    place = {id(item.block): index for index, item in enumerate(placed)}
    feeding: dict[int, list[int | None]] = {}
    readers: dict[int, list[int]] = {}
    for item in placed:
        if isinstance(item.block, Link):
            source = None if item.block.source is None else place.get(id(item.block.source))
            feeding.setdefault(place[id(item.block.sink)], []).append(source)
            if source is not None:
                readers.setdefault(source, []).append(place[id(item.block.sink)])
    left: dict[int, Tensor] = dict(codes)
    moving: dict[int, Tensor] = {}
    order = [index for index, item in enumerate(placed) if not isinstance(item.block, Link)]
    for index in order:
        sources = feeding.get(index, [])
        entering = moving.get(sources[0]) if len(sources) == 1 and sources[0] is not None else None
        block = placed[index].block
        if isinstance(block, MatVec) and index in left:
            left[index] = _read(block, left[index], entering)
            moving[index] = (left[index] != 0).any(1)
        elif isinstance(block, PASSING):
            moving[index] = (
                _own(block) if entering is None or len(entering) != block.channels else _own(block) & entering
            )
    used: dict[int, Tensor] = {}
    for index in reversed(order):
        block, channels = placed[index].block, _outputs(placed[index].block)
        if channels is None:
            continue
        wanted = [
            _wanted(placed[reader].block, left.get(reader), used.get(reader), channels)
            for reader in readers.get(index, [])
        ]
        own = torch.stack(wanted).any(0) if wanted else torch.ones(channels, dtype=torch.bool)
        used[index] = own & moving[index] if index in moving and not isinstance(block, MatVec) else own
        if index in left:
            left[index] = left[index] * own[:, None]
    return Live(left, {index: mask for index, mask in used.items() if index not in left})


def trimmed(block: Block, channels: Tensor) -> Block:
    """The block with no bits behind the channels that are not built; their gradient stays."""
    output = getattr(block, "output", None)
    if bool(channels.all()) or not isinstance(block, Thresholds) or not isinstance(output, Range):
        return block
    bits = output.bits.expand(channels.shape)
    return replace(block, output=replace(output, bits=with_gradient_of(bits * channels, bits)))


def _outputs(block: Block) -> int | None:
    return block.rows * block.groups if isinstance(block, MatVec) else getattr(block, "channels", None)


def _own(block: Thresholds | Window | Pool | Saturate) -> Tensor:
    """Channels that are more than a constant."""
    wire = block.input if isinstance(block, Window) else block.output
    return (wire.bits.detach() > 0).expand(block.channels)


def _read(block: MatVec, codes: Tensor, entering: Tensor | None) -> Tensor:
    if block.columns is not None:
        codes = codes * (block.columns.bits.detach() > 0)
    if entering is None or block.groups > 1 or block.cols % len(entering):
        return codes
    return codes * entering.repeat_interleave(block.cols // len(entering))


def _wanted(reader: Block, codes: Tensor | None, used: Tensor | None, channels: int) -> Tensor:
    """Channels of a stream that a block behind it looks at."""
    if isinstance(reader, MatVec) and codes is not None and reader.groups == 1 and reader.cols % channels == 0:
        return (codes != 0).any(0).reshape(channels, -1).any(1)
    if isinstance(reader, PASSING) and used is not None and len(used) == channels:
        return used
    return torch.ones(channels, dtype=torch.bool)
