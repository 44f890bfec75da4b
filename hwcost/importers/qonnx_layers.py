"""Layers of a QONNX file that only move numbers, and such as no hardware has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownOperation


class Permute(nn.Module):
    """Another order of axes.

    Args:
        order: of all axes, the batch first.
    """

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class Reshape(nn.Module):
    """Another shape of the sample.

    Args:
        shape: without the batch.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape((-1, *self.shape))


class Narrow(nn.Module):
    """Neighbouring elements of a sample.

    Args:
        bounds: (dimension, first, how many), for each dimension that loses some.
    """

    def __init__(self, bounds: tuple[tuple[int, int, int], ...]) -> None:
        super().__init__()
        self.bounds = bounds

    def forward(self, x: Tensor) -> Tensor:
        for dimension, first, count in self.bounds:
            x = x.narrow(dimension, first, count)
        return x


class IndexOfLargest(nn.Module):
    """Label select.

    Args:
        keepdim: (N, 1) instead of (N,).
    """

    def __init__(self, keepdim: bool) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        return torch.argmax(x, 1, self.keepdim)


class DepthToSpace(nn.Module):
    """Blocks of channels as blocks of pixels, depth first (DCR), where nn.PixelShuffle takes the columns first.

    Args:
        block: pixels per side.
    """

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        side = self.block
        batch, channels, height, width = x.shape
        apart = x.reshape(batch, side, side, channels // side**2, height, width)
        return apart.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels // side**2, height * side, width * side)


class PixelAffine(nn.Module):
    """gain * x + offset with numbers of any axis, for which hardware has neither thresholds nor a multiplier.

    Args:
        gain, offset: broadcast to x.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("gain", gain.float())
        self.register_buffer("offset", offset.float())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + self.offset

    def describe(self, *signals: Any, shape: tuple[int, ...]) -> Any:
        """Refuse: it has values, and no hardware."""
        raise UnknownOperation(
            f"multiplies or adds numbers of the shapes {tuple(self.gain.shape)} and {tuple(self.offset.shape)} to a "
            f"sample of shape {shape}; thresholds and factors differ by channel only, so give one for each channel"
        )
