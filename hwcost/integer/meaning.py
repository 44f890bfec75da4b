"""Meaning of the integers on a wire, and the thresholds that turn them into other integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import Range
from hwcost.integer.operations import Comparators

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class Meaning:
    """Value of an integer: a float map of step * integer + offset, per channel.

    Attributes:
        step: float64, () or (channels,); offset: likewise.
        maps: monotone maps per channel that nothing has absorbed yet (batch norm, ReLU), in order.
        order: whether the value is this times a positive factor of each sample, which no integer tells.
        last: whether channels are the last dimension, else they are dimension 1.
    """

    step: Tensor
    offset: Tensor
    maps: tuple[Map, ...] = ()
    order: bool = False
    last: bool = False

    def value(self, codes: Tensor) -> Tensor:
        """(batch, channels, ...) integers -> float64 values; (batch, ..., channels) with `last`."""
        rank = 2 if self.last else codes.ndim
        x = codes.double() * _along(self.step, rank) + _along(self.offset, rank)
        for each in self.maps:
            x = each(x)
        return x

    def then(self, map: Map) -> Meaning:
        """Append a map."""
        return replace(self, maps=(*self.maps, map))

    def plain_step(self) -> Tensor:
        """Return the step, (), where integers are values but for one common factor."""
        step = self.channel_step()
        if step.numel() != 1:
            raise UnknownPrecision(
                "the channels of its input have scales of their own, which no sum over channels can factor out; put an "
                "activation with one scale in between"
            )
        return step.reshape(())

    def channel_step(self) -> Tensor:
        """Return the step, () or (channels,), where integers are values but for one factor per channel."""
        if self.maps or bool((self.offset != 0).any()):
            raise UnknownPrecision(
                "a float map (bias, batch norm, ReLU) stands between the integers and the next layer; put an "
                "activation in between"
            )
        return self.step

    def flattened(self, shape: tuple[int, ...]) -> Meaning:
        """Return the meaning of the features of flattened samples; `shape` is (channels, ...)."""

        def spread(x: Tensor) -> Tensor:
            if x.ndim == 0:
                return x
            return x.repeat(prod(shape[:-1])) if self.last else x.repeat_interleave(prod(shape[1:]))

        maps = tuple(_on_features(each, shape) for each in self.maps)
        return replace(self, step=spread(self.step), offset=spread(self.offset), maps=maps, last=False)

    def single(self) -> Meaning:
        """Return the meaning where the one feature of a sample, (batch, 1), loses its dimension, (batch,)."""
        maps = tuple(_on_features(each, (1,)) for each in self.maps)
        return replace(self, step=self.step.reshape(()), offset=self.offset.reshape(()), maps=maps)

    def reshaped(self, rank: int, *, last: bool) -> Meaning:
        """Return the meaning where the channels stay and the other dimensions change.

        Args:
            rank: of a batch before.
            last: whether the channels are the last dimension afterwards.
        """
        return replace(self, maps=tuple(_in_rank(each, rank, self.last, last) for each in self.maps), last=last)


def _on_features(map: Map, shape: tuple[int, ...]) -> Map:
    """Apply a map of samples of this shape to flat samples."""
    return lambda x: map(x.reshape(-1, *shape)).reshape(x.shape)


def _in_rank(map: Map, rank: int, before: bool, after: bool) -> Map:
    """Apply a map of batches of this rank to those of another, whose channels may have moved."""

    def moved(x: Tensor) -> Tensor:
        first = x.movedim(-1, 1) if after else x
        inner = first.reshape(*first.shape[:2], *[1] * (rank - 3), *([-1] if rank > 2 else []))
        y = map(inner.movedim(1, -1)).movedim(-1, 1) if before else map(inner)
        y = y.reshape(first.shape)
        return y.movedim(1, -1) if after else y

    return moved


def _along(number: Tensor, rank: int) -> Tensor:
    return number if number.ndim == 0 else number.reshape(-1, *[1] * (rank - 2))


def _per_channel(bound: Tensor, channels: int) -> Tensor:
    return bound.detach().to(torch.int64).reshape(-1).expand(channels).clone()


def _one_each(batch: int, channels: int, rank: int, last: bool) -> tuple[int, ...]:
    """Shape of a batch with a single element per channel."""
    return (batch, *[1] * (rank - 2), channels) if last else (batch, channels, *[1] * (rank - 2))


def direction(meaning: Meaning, wire: Range, channels: int, rank: int) -> Tensor:
    """int64 (channels,): -1 where a larger integer means a smaller value, else 1."""
    shape = _one_each(1, channels, rank, meaning.last)
    low, high = (meaning.value(_per_channel(bound, channels).reshape(shape)) for bound in (wire.low, wire.high))
    return torch.where(high < low, -1, 1).reshape(-1).expand(channels).clone()


def comparators(
    meaning: Meaning, wire: Range, quantize: Callable[[Tensor], Tensor], output: Range, *, channels: int, rank: int
) -> Comparators:
    """Find the thresholds of a quantized activation by bisection in every channel.

    Args:
        meaning, wire: of the integers that enter.
        quantize: values (batch, channels, ...) -> int64 codes; monotone.
        output: range of the codes.
        channels, rank: of a batch that enters.
    """
    sign = direction(meaning, wire, channels, rank)
    gap = 2 if output.bipolar else 1
    low, high = _per_channel(output.low, channels), _per_channel(output.high, channels)
    first, last = _per_channel(wire.low, channels), _per_channel(wire.high, channels)
    # turned around where the code falls, so that it always rises
    least = torch.where(sign < 0, -last, first)
    most = torch.where(sign < 0, -first, last)
    levels = torch.arange(1, int((high - low).amax()) // gap + 1)[:, None]
    wanted = low + gap * levels

    def codes(x: Tensor) -> Tensor:
        shape = _one_each(len(levels), channels, rank, meaning.last)
        return quantize(meaning.value((x * sign).reshape(shape))).reshape(x.shape)

    below = (least - 1).expand(wanted.shape).clone()  # too small for the level, or outside
    reached = (most + 1).expand(wanted.shape).clone()
    while bool((reached - below > 1).any()):
        middle = torch.div(below + reached, 2, rounding_mode="floor")
        enough = codes(torch.minimum(torch.maximum(middle, least), most)) >= wanted
        open_ = reached - below > 1
        reached = torch.where(open_ & enough, middle, reached)
        below = torch.where(open_ & ~enough, middle, below)
    return Comparators(thresholds=reached.T.contiguous(), sign=sign, lowest=low, gap=gap)
