"""Average pooling on integers: a sum, and a shift or a scale."""

from dataclasses import replace
from math import ceil, log2, prod

import torch.nn.functional as F
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, between, widest
from hwcost.graph.spec import Form, LayerSpec, Pool, Signal, Window
from hwcost.graph.ste import floor_ste, round_ste
from hwcost.quant.layers.signals import integer, sample_rank
from hwcost.quant.layers.source import Sourced
from hwcost.quant.quantizers import Quantizer
from hwcost.quant.tensor import QuantTensor


class QuantAvgPool2d(Sourced):
    """Average pooling as hardware does it: integers are summed, then shifted right, rounding down.

    The shift T is log2 of the window's size, rounded up, so that the output is about as wide as the input; least and
    most bound the output width and move T. Dividing by 2^T is not dividing by k^2: with `corrected` the output scale
    makes up for it, otherwise the gain k^2 / 2^T is left to the next layer, as early Brevitas does. The integers are
    the same.

    Args:
        kernel_size: pixels per side of the window; stride: pixels, None for kernel_size. No padding.
        truncate: False keeps the whole sum: exact, and wider; the value is then the true mean.
        corrected: whether the scale makes up for k^2 / 2^T; only with truncate.
        least, most: bounds of the output width, in bits; only with truncate. A sum narrower than `least` stays so.
        source: quantizer that made the input, whose step is needed to truncate a plain tensor.
    """

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        *,
        truncate: bool = True,
        corrected: bool = False,
        least: int = 2,
        most: int = 32,
        source: Quantizer | None = None,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or (stride is not None and stride < 1):
            raise BadOption(f"QuantAvgPool2d: kernel_size={kernel_size}, stride={stride}; give at least 1")
        if not 1 <= least <= most:
            raise BadOption(f"QuantAvgPool2d: least={least}, most={most}; give 1 <= least <= most")
        if not truncate and (corrected or (least, most) != (2, 32)):
            raise BadOption("QuantAvgPool2d: corrected, least and most are for truncate=True")
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        self.truncate, self.corrected, self.least, self.most = truncate, corrected, least, most
        self.set_source(source)

    @property
    def _area(self) -> int:
        return self.kernel_size**2

    def shift(self, wire: Range) -> int:
        """T: bits cut off the sum of a window of `wire`s."""
        if not self.truncate:
            return 0
        width = int(self._sum(wire).bits.amax().detach())
        return max(0, int(min(max(ceil(log2(self._area)), width - self.most), width - self.least)))

    def _sum(self, wire: Range) -> Range:
        return between(wire.low * self._area, wire.high * self._area)

    def _result(self, wire: Range) -> Range:
        unit = 2.0 ** self.shift(wire)
        total = self._sum(wire)
        return between(floor_ste(total.low / unit), floor_ste(total.high / unit))

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """(N, C, H, W) -> (N, C, H', W').

        Raises:
            UnknownPrecision: truncating a plain tensor without `source`.
        """
        if isinstance(x, QuantTensor):
            return self._pooled(x)
        if not self.truncate:
            return F.avg_pool2d(x, self.kernel_size, self.stride)
        return self._pooled(self.on_grid(x, "use truncate=False")).value

    def _pooled(self, x: QuantTensor) -> QuantTensor:
        unit = 2.0 ** self.shift(x.range)
        whole = x.int()
        total = round_ste(F.avg_pool2d(whole, self.kernel_size, self.stride) * self._area)
        gain = unit / self._area if self.corrected or not self.truncate else 1.0
        scale = x.scale * gain
        return QuantTensor(floor_ste(total / unit) * scale, scale, self._result(x.range))

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A window and an adder tree per channel; the shift is wiring.

        Raises:
            UnknownPrecision: a map in front that does not commute with what happens here.
        """
        (signal,) = signals
        sample_rank(signal.shape, 3, type(self).__name__)
        if self.truncate:
            integer(signal)
            self.check_tie(signal)
        elif signal.affine is not None and signal.form >= Form.MONOTONE:
            raise UnknownPrecision(
                f"averages a stream whose {signal.affine} is still to be absorbed by an activation, but no mean of "
                "integers gives the mean of its values; put a QuantReLU or QuantIdentity in front"
            )
        element = widest(signal.range)
        kernel, stride = (self.kernel_size,) * 2, (self.stride,) * 2
        window = Window(
            channels=signal.channels,
            image=signal.shape[1:],
            kernel=kernel,
            stride=stride,
            dilation=(1, 1),
            padding=((0, 0), (0, 0)),
            output=shape[1:],
            input=element,
            depthwise=True,
        )
        pool = Pool(
            kind="sum",
            channels=signal.channels,
            kernel=kernel,
            vectors=prod(shape[1:]),
            input=element,
            output=self._sum(element),
        )
        grid = signal.grid if self.truncate and not self.corrected else self  # whose step the output counts in
        output = replace(signal, shape=shape, range=self._result(element), grid=grid, shifts=False)
        return LayerSpec(output=output, blocks=(window, pool))

    def extra_repr(self) -> str:
        return f"{self.kernel_size}, stride={self.stride}, truncate={self.truncate}, corrected={self.corrected}"
