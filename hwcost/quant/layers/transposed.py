"""Quantized transposed convolutions: in hardware, zeros between the pixels and then a plain convolution."""

from collections import Counter
from dataclasses import replace
from math import prod
from typing import Any, Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.spec import Block, Signal
from hwcost.quant.layers.conv import Convolution, Pads, Size
from hwcost.quant.layers.product import Geometry, Quantizers


class Transposed(Convolution):
    """Transposed convolution of any rank with quantized weights.

    In hardware: zeros between the pixels, then a plain convolution. A sum holds ceil(kernel / stride) taps per
    dimension that are not zero, and its width counts only those.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation: as
            nn.ConvTranspose1d and nn.ConvTranspose2d.

    Keyword Args:
        weight_quant (Quantizer | None): of the weights, (in, out / groups, k, k): the output channel is dimension 1.
        input_quant (Quantizer | None): these four as `QuantConv2d`.
        bias_quant (BiasQuantizer | None): see there.
        accumulator (Accumulator | None): see there.
        source (Quantizer | None): see there.
    """

    row_dim = 1
    output_padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        **quantizers: Unpack[Quantizers],
    ) -> None:
        sizes: Any = (kernel_size, stride, padding, output_padding, groups, bias, dilation)
        super().__init__(in_channels, out_channels, *sizes)
        self.same = False
        self.check_sizes()
        self.adopt(**quantizers)

    def adopt(self, **quantizers: Unpack[Quantizers]) -> None:
        """Take the quantizers; a weight scale per channel must lie along dimension 1."""
        scale = getattr(quantizers.get("weight_quant"), "scale", None)
        if self.groups > 1 and scale is not None and scale.channel_dim is not None:
            raise BadOption(f"{type(self).__name__}: groups share the weight's channels; use one scale per tensor")
        if scale is not None and scale.channel_dim not in (None, 1):
            raise BadOption(
                f"{type(self).__name__}: channel_dim={scale.channel_dim}; its output channel is dimension 1"
            )
        super().adopt(**quantizers)

    def geometry(self) -> Geometry:
        """Shape as a plain convolution over the image with zeros in it."""
        inputs = self.in_channels // self.groups
        taps = prod(
            _taps(size, stride, dilation)
            for size, stride, dilation in zip(self.kernel_size, self.stride, self.dilation, strict=True)
        )
        cols = prod(self.kernel_size) * inputs
        return Geometry(rows=self.out_channels // self.groups, cols=cols, groups=self.groups, terms=taps * inputs)

    def pads(self, image: tuple[int, ...]) -> Pads:
        """Zeros around the image of the plain convolution, already spread out."""
        span = [(size - 1) * dilation for size, dilation in zip(self.kernel_size, self.dilation, strict=True)]
        return tuple(
            (reach - pixels, reach - pixels + more)
            for reach, pixels, more in zip(span, self.padding, self.output_padding, strict=True)
        )

    def _pads_any(self, signal: Signal) -> bool:
        return prod(self.stride) > 1 or super()._pads_any(signal)

    def matrix(self, per_weight: Tensor) -> Tensor:
        """(in, out / groups, k, k) -> (out, in / groups k k)."""
        inputs, outputs = self.in_channels // self.groups, self.out_channels // self.groups
        grouped = per_weight.reshape(self.groups, inputs, outputs, -1)
        return grouped.transpose(1, 2).reshape(self.out_channels, -1)

    def window(self, signal: Signal, shape: tuple[int, ...]) -> tuple[Block, ...]:
        """A sliding window of stride 1 over the image with zeros between its pixels."""
        spread = tuple((size - 1) * stride + 1 for size, stride in zip(signal.shape[1:], self.stride, strict=True))
        block = self._sliding(signal, shape, spread, (1,) * len(spread))
        return (replace(block, spread=self.stride),)


class QuantConvTranspose2d(Transposed, nn.ConvTranspose2d):
    """Transposed 2-D convolution with quantized weights; see `Transposed`."""

    rank = 2

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv_transpose2d(
            x, weight, bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


class QuantConvTranspose1d(Transposed, nn.ConvTranspose1d):
    """Transposed 1-D convolution with quantized weights, on (N, channels, length); see `Transposed`."""

    rank = 1

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv_transpose1d(
            x, weight, bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


def _taps(kernel: int, stride: int, dilation: int) -> int:
    """Most taps of one dimension that meet a pixel: those whose offset tap * dilation agrees modulo stride."""
    return max(Counter(tap * dilation % stride for tap in range(kernel)).values())
