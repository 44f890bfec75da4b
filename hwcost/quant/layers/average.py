"""Means over all positions of a channel, and poolings whose window follows from the size of what leaves."""

from dataclasses import replace
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownOperation, UnknownPrecision
from hwcost.graph.blocks import ChannelSum
from hwcost.graph.ranges import Range, between, widest
from hwcost.graph.spec import Block, Form, LayerSpec, Pool, Window
from hwcost.graph.ste import round_ste
from hwcost.graph.wire import Signal
from hwcost.quant.layers.pool import Size
from hwcost.quant.tensor import QuantTensor


class _Mean(nn.Module):
    """Sums that stand for means: the step is divided, so that no integer is."""

    def mean(self, x: Tensor) -> Tensor:
        """The float mean."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        if isinstance(x, Tensor):
            return self.mean(x)
        value = self.mean(x.int())
        count = x.value[0].numel() * value.shape[1] // (value[0].numel() * x.value.shape[1])
        if x.scale.numel() != 1:
            raise BadOption(f"{type(self).__name__}: an input scale per channel; give one scale for all channels")
        scale = x.scale.reshape(()) / count
        return QuantTensor(round_ste(value * count) * scale, scale, _times(x.range, count))


def _times(wire: Range, count: int) -> Range:
    wide = widest(wire)
    return between(wide.low * count, wide.high * count)


def _summed(signal: Signal) -> Signal:
    """The signal, if a mean of its integers is the integer of the mean.

    Raises:
        UnknownPrecision: a map in front that is not affine.
    """
    if signal.affine is not None and signal.form >= Form.MONOTONE:
        raise UnknownPrecision(
            f"averages a stream whose {signal.affine} is still to be absorbed by an activation, but no mean of "
            "integers gives the mean of its values; put a QuantReLU or QuantIdentity in front"
        )
    return signal


class QuantMean(_Mean):
    """Mean over all positions: (N, channels, ...) or (N, ..., channels) -> one vector per sample.

    In hardware, a sum for each channel: exact, and wider by log2 of the positions. The step becomes smaller.

    Args:
        dim: dimensions that are averaged, counted with the batch: all but the batch and the channels.
        keepdim: whether they stay, with size 1.
    """

    def __init__(self, dim: Size = (2, 3), *, keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = (dim,) if isinstance(dim, int) else tuple(dim), keepdim
        if not self.dim or 0 in self.dim:
            raise BadOption(f"QuantMean: dim={dim}; give the dimensions behind the batch, e.g. (2, 3)")

    def mean(self, x: Tensor) -> Tensor:
        return x.mean(self.dim, keepdim=self.keepdim)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """An adder with a register for each channel.

        Raises:
            UnknownOperation: it averages over channels, or not over all positions.
            UnknownPrecision: a map in front that does not commute with a mean.
        """
        signal = _summed(signals[0])
        rank = len(signal.shape)
        dims = sorted((each % (rank + 1)) - 1 for each in self.dim)
        last = dims == list(range(rank - 1))
        if rank < 2 or dims not in (list(range(1, rank)), list(range(rank - 1))):
            raise UnknownOperation(
                f"averages dimensions {self.dim} of a sample of shape {signal.shape}; hardware sums all positions of "
                "a channel: give all but the batch and the channels, or use QuantAvgPool2d"
            )
        if last != signal.channels_last and not signal.outside:
            raise UnknownOperation(
                f"averages dimensions {self.dim}, where the channels of {signal.shape} stand; average the others"
            )
        signal = replace(signal, channels_last=last)
        output, block = _channel_sum(signal)
        return LayerSpec(output=replace(output, shape=shape, channels_last=last and len(shape) > 1), blocks=(block,))

    def extra_repr(self) -> str:
        return f"{self.dim}, keepdim={self.keepdim}"


def _channel_sum(signal: Signal) -> tuple[Signal, Block]:
    element = widest(signal.range)
    total = _times(element, signal.positions)
    block = ChannelSum(channels=signal.channels, vectors=signal.positions, input=element, output=total)
    return replace(signal, range=total, grid=block, outside=False), block


class QuantAdaptiveAvgPool(_Mean):
    """Average pooling to a given number of pixels, in 1 or 2 dimensions.

    Args:
        output_size: pixels along each dimension; they divide those that enter.
    """

    def __init__(self, output_size: Size) -> None:
        super().__init__()
        sizes = (output_size,) if isinstance(output_size, int) else tuple(output_size)
        if any(size is None or size < 1 for size in sizes):
            raise BadOption(f"QuantAdaptiveAvgPool: output_size={output_size}; give numbers of at least 1")
        self.output_size = output_size

    def mean(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return F.adaptive_avg_pool1d(x, self.output_size)
        return F.adaptive_avg_pool2d(x, self.output_size)  # type: ignore[arg-type] # one number or two

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A sum per channel where one pixel leaves, else a window and an adder tree per channel.

        Raises:
            UnknownOperation: windows of unequal size.
            UnknownPrecision: a map in front that does not commute with a mean.
        """
        signal = _summed(signals[0])
        if signal.channels_last and not signal.outside:
            raise UnknownOperation(
                f"pools a sequence {signal.shape} over its channels; move them first: transpose(1, 2)"
            )
        image, pixels = signal.shape[1:], shape[1:]
        if any(size % count for size, count in zip(image, pixels, strict=True)):
            raise UnknownOperation(
                f"pools {image} to {pixels} pixels by windows of unequal size; give a size that divides, or use "
                "QuantAvgPool2d"
            )
        if prod(pixels) == 1:
            output, total = _channel_sum(signal)
            return LayerSpec(output=replace(output, shape=shape), blocks=(total,))
        element = widest(signal.range)
        window = Window.tiles(signal.channels, image, pixels, element)
        wide = _times(element, prod(window.kernel))
        pool = Pool(
            kind="sum", channels=signal.channels, kernel=window.kernel, vectors=prod(pixels), input=element, output=wide
        )
        return LayerSpec(output=replace(signal, shape=shape, range=wide, grid=self), blocks=(window, pool))

    def extra_repr(self) -> str:
        return f"{self.output_size}"
