"""Operations of the hardware on integers: int64 in, int64 out, no floating point anywhere."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Pads = tuple[tuple[int, int], ...]


class Operation(Protocol):
    """int64 tensors (batch, channels, ...) to one."""

    def __call__(self, *streams: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Wire:
    """Wire: nothing is built."""

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return x


@dataclass(frozen=True, eq=False)
class Flat:
    """(batch, channels, ...) -> (batch, features)."""

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return x.flatten(1)


@dataclass(frozen=True, eq=False)
class ChannelsLast:
    """An operation on samples whose channels stand last."""

    inner: Operation

    def __call__(self, *streams: Tensor) -> Tensor:
        return self.inner(*(x.movedim(-1, 1) for x in streams)).movedim(1, -1).contiguous()


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Sums of products: a linear layer, or a convolution over an image with zeros around and between its pixels.

    Attributes:
        weight: int64 (outputs, inputs / groups, *kernel).
        bias: int64 (outputs,), or None.
        stride, dilation: one number per spatial dimension.
        pads: zeros (before, after) per spatial dimension, of the image already spread out.
        spread: distance between the pixels; 1 for an image as it is.
        groups: independent parts of the channels.
    """

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    pads: Pads = ()
    spread: tuple[int, ...] = ()
    groups: int = 1

    def __call__(self, *streams: Tensor) -> Tensor:
        """(batch, inputs, ...) -> (batch, outputs, ...)."""
        (x,) = streams
        taps = _taps(_padded(x, self.pads, self.spread, 0), self.weight.shape[2:], self.stride, self.dilation)
        batch, _, *place = taps.shape[:-1]
        grouped = taps.reshape(batch, self.groups, taps.shape[1] // self.groups, *place, taps.shape[-1])
        windows = grouped.movedim(2, -2).flatten(-2)
        columns = windows.reshape(batch, self.groups, -1, windows.shape[-1])
        rows = self.weight.reshape(self.groups, self.weight.shape[0] // self.groups, -1)
        sums = torch.matmul(rows, columns.transpose(-1, -2)).reshape(batch, -1, *place)
        return sums if self.bias is None else sums + _along(self.bias, sums.ndim)


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparators:
    """A quantized activation: how many of its thresholds a number reaches.

    Attributes:
        thresholds: int64 (channels, levels), rising.
        sign: int64 (channels,): -1 where a larger number gives a smaller code; it is turned around first.
        lowest: int64 (channels,): code below all thresholds.
        gap: from one code to the next: 1, or 2 on a bipolar wire.
    """

    thresholds: Tensor
    sign: Tensor
    lowest: Tensor
    gap: int

    def __call__(self, *streams: Tensor) -> Tensor:
        """(batch, channels, ...) -> codes of the same shape."""
        (x,) = streams
        rows = (x * _along(self.sign, x.ndim)).movedim(1, 0)
        flat = rows.flatten(1)
        count = torch.searchsorted(self.thresholds, flat.expand(len(self.thresholds), -1).contiguous(), right=True)
        return (_along(self.lowest, x.ndim) + self.gap * count.reshape(rows.shape).movedim(0, 1)).contiguous()


@dataclass(frozen=True, eq=False, kw_only=True)
class Largest:
    """Max pooling.

    Attributes:
        kernel, stride, dilation, pads: one per spatial dimension.
        sign: int64 (channels,) or (1,): -1 where the largest value is the smallest integer.
        floor: below every integer: what stands in the padding.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    sign: Tensor
    floor: int

    def __call__(self, *streams: Tensor) -> Tensor:
        """(batch, channels, ...) -> the same with fewer pixels."""
        (x,) = streams
        sign = _along(self.sign, x.ndim)
        padded = _padded(x * sign, self.pads, (1,) * len(self.pads), self.floor)
        return _taps(padded, self.kernel, self.stride, self.dilation).amax(-1) * sign


@dataclass(frozen=True, eq=False)
class IndexOfLargest:
    """Label select: the place of the largest of a vector, the first of equals.

    Attributes:
        keepdim: (batch, 1) instead of (batch,).
    """

    keepdim: bool = False

    def __call__(self, *streams: Tensor) -> Tensor:
        """(batch, labels) -> (batch,)."""
        (x,) = streams
        return x.argmax(1, self.keepdim)


@dataclass(frozen=True, eq=False, kw_only=True)
class Total:
    """Average pooling: the sum of a window, shifted right.

    Attributes:
        kernel, stride: one number per spatial dimension.
        shift: bits cut off.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    shift: int

    def __call__(self, *streams: Tensor) -> Tensor:
        """(batch, channels, ...) -> the same with fewer pixels."""
        (x,) = streams
        return _taps(x, self.kernel, self.stride, (1,) * len(self.kernel)).sum(-1) >> self.shift


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply:
    """One factor and addend per channel: int64 (channels,); addend None without one."""

    factor: Tensor
    addend: Tensor | None

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        product = x * _along(self.factor, x.ndim)
        return product if self.addend is None else product + _along(self.addend, x.ndim)


@dataclass(frozen=True, eq=False, kw_only=True)
class Meet:
    """Streams brought onto one grid, then added, or set one behind the other along the channels.

    Attributes:
        grids: of each stream: its comparators, or a wire.
        chained: concatenate instead of adding.
    """

    grids: tuple[Operation, ...]
    chained: bool

    def __call__(self, *streams: Tensor) -> Tensor:
        """Streams of equal pixels."""
        whole = [grid(x) for grid, x in zip(self.grids, streams, strict=True)]
        if self.chained:
            return torch.cat(whole, 1)
        total = whole[0]
        for other in whole[1:]:
            total = total + other
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class Register:
    """Narrow accumulator, applied to a sum that is wider than itself.

    Attributes:
        mode: "saturate" or "wrap" into low..high, or "truncate": shift right.
        low, high: int64, () or (channels,).
        shift: bits cut off.
    """

    mode: str
    low: Tensor
    high: Tensor
    shift: int

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        if self.mode == "truncate":
            return x >> self.shift
        low, high = _along(self.low, x.ndim), _along(self.high, x.ndim)
        if self.mode == "saturate":
            return torch.minimum(torch.maximum(x, low), high)
        return low + torch.remainder(x - low, high - low + 1)


@dataclass(frozen=True, eq=False)
class Chain:
    """Sequence of operations."""

    parts: tuple[Operation, ...]

    def __call__(self, *streams: Tensor) -> Tensor:
        first, *rest = self.parts
        x = first(*streams)
        for part in rest:
            x = part(x)
        return x


def _along(number: Tensor, rank: int) -> Tensor:
    """Reshape one number per channel so that it broadcasts against (batch, channels, ...)."""
    return number.reshape(-1, *[1] * (rank - 2))


def _padded(x: Tensor, pads: Pads, spread: tuple[int, ...], filling: int) -> Tensor:
    """Pad an image with `filling`, and put zeros between its pixels."""
    if not pads:
        return x
    sizes = [(size - 1) * gap + 1 for size, gap in zip(x.shape[2:], spread, strict=True)]
    around = [(max(before, 0), max(after, 0)) for before, after in pads]
    full = [size + before + after for size, (before, after) in zip(sizes, around, strict=True)]
    image = x.new_full((*x.shape[:2], *full), filling)
    corners = zip(sizes, spread, around, strict=True)
    spots: list[slice] = [slice(before, before + size, gap) for size, gap, (before, _) in corners]
    image[(slice(None), slice(None), *spots)] = x
    # a negative pad cuts pixels off
    cuts = zip(full, pads, strict=True)
    kept: list[slice] = [slice(max(-before, 0), size - max(-after, 0)) for size, (before, after) in cuts]
    return image[(slice(None), slice(None), *kept)]


def _taps(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """Gather the elements of each window: (batch, channels, *places, taps)."""
    for dimension, (size, step, apart) in enumerate(zip(kernel, stride, dilation, strict=True)):
        reach = (size - 1) * apart + 1
        x = x.unfold(2 + dimension, reach, step)[..., ::apart]
    return x.flatten(2 + len(kernel)) if kernel else x.unsqueeze(-1)
