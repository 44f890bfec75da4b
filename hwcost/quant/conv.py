"""Quantized convolutions."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.product import adopt, entering, product_spec, quantized_operands, sample_rank, with_zero
from hwcost.quant.quantizers import Quantizer
from hwcost.ranges import widest
from hwcost.spec import LayerSpec, Signal, Window

Pads = tuple[tuple[int, int], ...]
"""(before, after) per spatial dimension, in pixels."""


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(before, after) so that the output has ceil(size / stride) pixels; the odd one goes after.

    >>> same_padding(6, 3, 2)
    (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


class QuantConv2d(nn.Conv2d):
    """2-D convolution with quantized weights, also depthwise and grouped.

    A float bias is absorbed by the thresholds of the next activation, as dataflow compilers do.

    Args:
        in_channels, out_channels, kernel_size, stride, dilation, groups, bias: as nn.Conv2d.
        padding: zeros, in pixels; or "same", with any stride: an output of ceil(size / stride).
        weight_quant: of the weights; None trains in float, and has no hardware.
        input_quant: of the input; None takes it as it comes.
    """

    weight_quant: Quantizer | None
    input_quant: Quantizer | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        weight_quant: Quantizer | None,
        input_quant: Quantizer | None = None,
    ) -> None:
        if isinstance(padding, str) and padding != "same":
            raise BadOption(f"QuantConv2d: padding={padding!r}; give pixels or 'same'")
        self.same = padding == "same"
        pixels = 0 if isinstance(padding, str) else padding
        super().__init__(in_channels, out_channels, kernel_size, stride, pixels, dilation, groups, bias)
        adopt(self, weight_quant, input_quant)

    def pads(self, image: tuple[int, ...]) -> Pads:
        """Zeros around an image of this shape."""
        if not self.same:
            return tuple((int(pixels), int(pixels)) for pixels in self.padding)
        geometry = zip(image, self.kernel_size, self.stride, self.dilation, strict=True)
        return tuple(same_padding(*dimension) for dimension in geometry)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        x, weight = quantized_operands(self, input)
        if self.same:
            (top, bottom), (left, right) = self.pads(tuple(x.shape[-2:]))
            x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A sliding window (unless 1x1 with stride 1) and one MatVec: rows out/groups, cols in/groups k k.

        Raises:
            UnknownPrecision: float weights, an input of no width, or one with an unabsorbed affine map.
        """
        (outer,) = signals
        sample_rank(outer.shape, 3, type(self).__name__)
        signal, before = entering(outer, self.input_quant)
        pads = self.pads(signal.shape[1:])
        padded = any(pixels for pair in pads for pixels in pair)
        element = with_zero(widest(signal.range)) if padded else widest(signal.range)
        window = Window(
            channels=self.in_channels,
            image=signal.shape[1:],
            kernel=self.kernel_size,
            stride=self.stride,
            dilation=self.dilation,
            padding=pads,
            output=shape[1:],
            input=element,
            depthwise=self.groups == self.in_channels > 1,
        )
        moves = prod(self.kernel_size) > 1 or prod(self.stride) > 1 or padded
        return product_spec(
            self,
            replace(signal, range=element),
            rows=self.out_channels // self.groups,
            cols=prod(self.kernel_size) * self.in_channels // self.groups,
            groups=self.groups,
            shape=shape,
            before=(*before, window) if moves else before,
        )
