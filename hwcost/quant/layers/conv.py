"""Quantized convolutions: 1-D, 2-D and 3-D, also depthwise and grouped."""

from math import prod
from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import Block, Signal, Window
from hwcost.quant.layers.product import Geometry, Product, Quantizers
from hwcost.quant.layers.signals import in_order, sample_rank, with_zero

Size = int | tuple[int, ...]
"""One number, or one per spatial dimension."""

Pads = tuple[tuple[int, int], ...]
"""(before, after) per spatial dimension, in pixels."""


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(before, after) so that the output has ceil(size / stride) pixels; the odd one goes after.

    >>> same_padding(6, 3, 2)
    (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


class Convolution(Product):
    """Base of convolutions of any rank: padding, and the sliding window in front."""

    rank: ClassVar[int]
    """Spatial dimensions."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any
    dilation: tuple[int, ...]
    groups: int
    same: bool
    uneven: Pads | None = None
    """Zeros (before, after) per spatial dimension where the two differ; None elsewhere."""

    def check_sizes(self) -> None:
        """Refuse sizes of another number of dimensions, of which torch takes some."""
        for name in ("kernel_size", "stride", "padding", "dilation", "output_padding"):
            size = getattr(self, name)
            if len(size) != self.rank:
                raise BadOption(f"{type(self).__name__}: {name}={size}; give one number, or {self.rank} in a tuple")

    def pads(self, image: tuple[int, ...]) -> Pads:
        """Zeros around an image of this shape."""
        if self.uneven is not None:
            return self.uneven
        if not self.same:
            return tuple((int(pixels), int(pixels)) for pixels in self.padding)
        geometry = zip(image, self.kernel_size, self.stride, self.dilation, strict=True)
        return tuple(same_padding(*dimension) for dimension in geometry)

    def padded(self, x: Tensor) -> Tensor:
        """x with the zeros of "same" or uneven padding; other padding is left to the convolution."""
        if not self.same and self.uneven is None:
            return x
        pads = self.pads(tuple(x.shape[-len(self.kernel_size) :]))
        return F.pad(x, [pixels for pair in reversed(pads) for pixels in pair])

    def geometry(self) -> Geometry:
        """rows out/groups, cols in/groups times the kernel's taps."""
        cols = prod(self.kernel_size) * self.in_channels // self.groups
        return Geometry(rows=self.out_channels // self.groups, cols=cols, groups=self.groups, terms=cols)

    def element(self, signal: Signal) -> Range:
        """The wire, and zeros where there is padding."""
        sample_rank(signal.shape, len(self.kernel_size) + 1, type(self).__name__)
        in_order(signal, channels_last=False, owner=type(self).__name__)
        return with_zero(widest(signal.range)) if self._pads_any(signal) else widest(signal.range)

    def _pads_any(self, signal: Signal) -> bool:
        return any(pixels for pair in self.pads(signal.shape[1:]) for pixels in pair)

    def channels_apart(self) -> bool:
        """Depthwise, with neither bias nor accumulator in the unit of one common scale."""
        return self.groups == self.in_channels and self.bias_quant is None and self.accumulator is None

    def window(self, signal: Signal, shape: tuple[int, ...]) -> tuple[Block, ...]:
        """A sliding window, unless 1x1 with stride 1 needs none."""
        if prod(self.kernel_size) == 1 and prod(self.stride) == 1 and not self._pads_any(signal):
            return ()
        return (self._sliding(signal, shape, signal.shape[1:], self.stride),)

    def _sliding(
        self, signal: Signal, shape: tuple[int, ...], image: tuple[int, ...], stride: tuple[int, ...]
    ) -> Window:
        return Window(
            channels=self.in_channels,
            image=image,
            kernel=self.kernel_size,
            stride=stride,
            dilation=self.dilation,
            padding=self.pads(signal.shape[1:]),
            output=shape[1:],
            input=self.element(signal),
            depthwise=self.groups == self.in_channels > 1,
        )


class PlainConvolution(Convolution):
    """Base of convolutions of torch whose padding may also be "same"."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str | Pads = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        **quantizers: Unpack[Quantizers],
    ) -> None:
        same = padding == "same"
        if isinstance(padding, str) and not same:
            raise BadOption(f"{type(self).__name__}: padding={padding!r}; give pixels or 'same'")
        uneven = isinstance(padding, tuple) and isinstance(padding[0], tuple)
        pixels: Any = 0 if same or uneven else padding
        super().__init__(in_channels, out_channels, kernel_size, stride, pixels, dilation, groups, bias)
        self.same = same
        if uneven:
            self.uneven = self._pairs(padding)
        self.check_sizes()
        self.adopt(**quantizers)

    def _pairs(self, padding: Any) -> Pads:
        pairs = tuple(tuple(pair) if isinstance(pair, tuple) else () for pair in padding)
        if len(pairs) != len(self.kernel_size) or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
            raise BadOption(
                f"{type(self).__name__}: padding={padding!r}; give (before, after) for each of the "
                f"{len(self.kernel_size)} dimension(s), pixels of at least 0"
            )
        return pairs


class QuantConv2d(PlainConvolution, nn.Conv2d):
    """2-D convolution with quantized weights, also depthwise and grouped.

    A float bias is absorbed by the thresholds of the next activation, as dataflow compilers do.

    Args:
        in_channels, out_channels, kernel_size, stride, dilation, groups, bias: as nn.Conv2d.
        padding: zeros, in pixels, or (before, after) for each dimension in a tuple; or "same", with any stride: an
            output of ceil(size / stride).

    Keyword Args:
        weight_quant (Quantizer | None): of the weights; None trains in float, and has no hardware.
        input_quant (Quantizer | None): of the input; None takes it as it comes.
        bias_quant (BiasQuantizer | None): None keeps a float bias.
        accumulator (Accumulator | None): narrower than the worst case; None is as wide as needed, exactly.
        source (Quantizer | None): quantizer of the activation in front, where bias_quant or accumulator need its step.
    """

    rank = 2

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(self.padded(x), weight, bias, self.stride, self.padding, self.dilation, self.groups)


class QuantConv1d(PlainConvolution, nn.Conv1d):
    """1-D convolution with quantized weights; arguments as `QuantConv2d`, on (N, channels, length)."""

    rank = 1

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv1d(self.padded(x), weight, bias, self.stride, self.padding, self.dilation, self.groups)


class QuantConv3d(PlainConvolution, nn.Conv3d):
    """3-D convolution with quantized weights; arguments as `QuantConv2d`, on (N, channels, depth, height, width)."""

    rank = 3

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv3d(self.padded(x), weight, bias, self.stride, self.padding, self.dilation, self.groups)
