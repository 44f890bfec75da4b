"""Average pooling on integers: a sum, and a shift or a scale."""

from dataclasses import replace
from math import ceil, log2, prod
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, between, widest
from hwcost.graph.spec import Form, LayerSpec, Pool, Signal, Window
from hwcost.graph.ste import floor_ste, round_ste
from hwcost.quant.layers.signals import in_order, integer, sample_rank
from hwcost.quant.layers.source import Sourced
from hwcost.quant.quantizers import Quantizer
from hwcost.quant.tensor import QuantTensor

Size = int | tuple[int, ...]


class AveragePool(Sourced):
    """Average pooling as hardware does it: integers are summed, then shifted right, rounding down.

    The shift T is log2 of the window's size, rounded up, so that the output is about as wide as the input; least and
    most bound the output width and move T. Dividing by 2^T is not dividing by k^2: with `corrected` the output scale
    makes up for it, otherwise the gain k^2 / 2^T is left to the next layer, as early Brevitas does. The integers are
    the same.

    Args:
        kernel_size: pixels along each side of the window, one number for all or one for each; stride: likewise, None
            for kernel_size. No padding.
        truncate: False keeps the whole sum: exact, and wider; the value is then the true mean.
        corrected: whether the scale makes up for k^2 / 2^T; only with truncate.
        least, most: bounds of the output width, in bits; only with truncate. A sum narrower than `least` stays so.
        source: quantizer that made the input, whose step is needed to truncate a plain tensor.
    """

    rank: ClassVar[int]
    """Spatial dimensions."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        *,
        truncate: bool = True,
        corrected: bool = False,
        least: int = 2,
        most: int = 32,
        source: Quantizer | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        sizes = self.kernel, self.strides
        if any(len(size) != self.rank or min(size) < 1 for size in sizes):
            raise BadOption(
                f"{name}: kernel_size={kernel_size}, stride={stride}; give one number of at least 1, or {self.rank} in "
                "a tuple"
            )
        if not 1 <= least <= most:
            raise BadOption(f"{name}: least={least}, most={most}; give 1 <= least <= most")
        if not truncate and (corrected or (least, most) != (2, 32)):
            raise BadOption(f"{name}: corrected, least and most are for truncate=True")
        self.truncate, self.corrected, self.least, self.most = truncate, corrected, least, most
        self.set_source(source)

    def _sides(self, size: Size) -> tuple[int, ...]:
        return (size,) * self.rank if isinstance(size, int) else tuple(size)

    @property
    def kernel(self) -> tuple[int, ...]:
        """Pixels of the window along each dimension."""
        return self._sides(self.kernel_size)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels from one window to the next along each dimension."""
        return self._sides(self.stride)

    @property
    def area(self) -> int:
        """Pixels of the window."""
        return prod(self.kernel)

    def mean(self, x: Tensor) -> Tensor:
        """The float mean of every window."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    def shift(self, wire: Range) -> int:
        """T: bits cut off the sum of a window of `wire`s."""
        if not self.truncate:
            return 0
        width = int(self._sum(wire).bits.amax().detach())
        return max(0, int(min(max(ceil(log2(self.area)), width - self.most), width - self.least)))

    def _sum(self, wire: Range) -> Range:
        return between(wire.low * self.area, wire.high * self.area)

    def _result(self, wire: Range) -> Range:
        unit = 2.0 ** self.shift(wire)
        total = self._sum(wire)
        return between(floor_ste(total.low / unit), floor_ste(total.high / unit))

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """(N, C, ...) -> the same with fewer pixels.

        Raises:
            UnknownPrecision: truncating a plain tensor without `source`.
        """
        if isinstance(x, QuantTensor):
            return self._pooled(x)
        if not self.truncate:
            return self.mean(x)
        return self._pooled(self.on_grid(x, "use truncate=False")).value

    def _pooled(self, x: QuantTensor) -> QuantTensor:
        unit = 2.0 ** self.shift(x.range)
        whole = x.int()
        total = round_ste(self.mean(whole) * self.area)
        gain = unit / self.area if self.corrected or not self.truncate else 1.0
        scale = x.scale * gain
        return QuantTensor(floor_ste(total / unit) * scale, scale, self._result(x.range))

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A window and an adder tree per channel; the shift is wiring.

        Raises:
            UnknownPrecision: a map in front that does not commute with what happens here.
        """
        (signal,) = signals
        sample_rank(signal.shape, self.rank + 1, type(self).__name__)
        in_order(signal, channels_last=False, owner=type(self).__name__)
        if self.truncate:
            integer(signal)
            self.check_tie(signal)
        elif signal.affine is not None and signal.form >= Form.MONOTONE:
            raise UnknownPrecision(
                f"averages a stream whose {signal.affine} is still to be absorbed by an activation, but no mean of "
                "integers gives the mean of its values; put a QuantReLU or QuantIdentity in front"
            )
        element = widest(signal.range)
        window = Window(
            channels=signal.channels,
            image=signal.shape[1:],
            kernel=self.kernel,
            stride=self.strides,
            dilation=(1,) * self.rank,
            padding=((0, 0),) * self.rank,
            output=shape[1:],
            input=element,
            depthwise=True,
        )
        pool = Pool(
            kind="sum",
            channels=signal.channels,
            kernel=self.kernel,
            vectors=prod(shape[1:]),
            input=element,
            output=self._sum(element),
        )
        grid = signal.grid if self.truncate and not self.corrected else self  # whose step the output counts in
        output = replace(signal, shape=shape, range=self._result(element), grid=grid, shifts=False)
        return LayerSpec(output=output, blocks=(window, pool))

    def extra_repr(self) -> str:
        return f"{self.kernel_size}, stride={self.stride}, truncate={self.truncate}, corrected={self.corrected}"


class QuantAvgPool2d(AveragePool):
    """Average pooling of images: integers are summed, then shifted right, rounding down; see `AveragePool`."""

    rank = 2

    def mean(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel, self.strides)


class QuantAvgPool1d(AveragePool):
    """Average pooling of (N, channels, length); arguments as `QuantAvgPool2d`."""

    rank = 1

    def mean(self, x: Tensor) -> Tensor:
        return F.avg_pool1d(x, self.kernel, self.strides)
