"""Quantizers of files: codes between any two integers under a named rounding, and counts of thresholds."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, between, binary
from hwcost.graph.ste import with_gradient_of
from hwcost.quant.quantizers import ScaledQuantizer, wide
from hwcost.quant.scale import ConstScale

ROUNDINGS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "HALF_EVEN": torch.round,
        "CEIL": torch.ceil,
        "FLOOR": torch.floor,
        "UP": lambda x: x.sgn() * x.abs().ceil(),
        "DOWN": torch.trunc,
        "HALF_UP": lambda x: x.sgn() * (x.abs() + 0.5).floor(),
        "HALF_DOWN": lambda x: x.sgn() * (x.abs() - 0.5).ceil(),
    }
)
"""Roundings by the names that QONNX gives them; UP and DOWN are away from zero and towards it."""


class GridQuantizer(ScaledQuantizer):
    """Codes low..high of a constant step, clamped and then rounded, as files of other tools say.

    Args:
        step: size of one integer step, above 0; () or broadcastable to what is quantized.
        low, high: smallest and largest code, low < high.
        rounding: one of ROUNDINGS.
        zero_point: added in front of clamping and rounding, and taken off behind: it decides ties, and what is up.

    Source: IntQuant of https://github.com/fastmachinelearning/qonnx, versions 1 and 2.
    """

    def __init__(
        self, *, step: float | Tensor, low: int, high: int, rounding: str = "HALF_EVEN", zero_point: int = 0
    ) -> None:
        super().__init__(ConstScale(step))
        if not low < high:
            raise BadOption(f"GridQuantizer: low={low}, high={high}; give at least two codes, the smaller first")
        if rounding not in ROUNDINGS:
            raise BadOption(f"GridQuantizer: rounding={rounding!r}; give one of {', '.join(ROUNDINGS)}")
        self.low, self.high, self.rounding, self.zero_point = low, high, rounding, zero_point
        self.signed = low < 0

    def quantize(self, x: Tensor) -> Tensor:
        """The codes times the step, at least float32; the gradient to x is 1 from low to high, 0 beyond."""
        value = wide(x)
        step: Tensor = self.scale(value)
        raw = (value / step + self.zero_point).clamp(self.low + self.zero_point, self.high + self.zero_point)
        return (with_gradient_of(ROUNDINGS[self.rounding](raw), raw) - self.zero_point) * step

    def range(self) -> Range:
        """low..high in its smallest code."""
        return between(self.low, self.high)

    def extra_repr(self) -> str:
        return f"{self.low}..{self.high}, rounding={self.rounding}, zero_point={self.zero_point}"


class ThresholdQuantizer(ScaledQuantizer):
    """Counts the thresholds that a value reaches, as FINN's MultiThreshold node: (count + low) * step.

    Args:
        thresholds: (channels, levels), or (1, levels) for all channels (dimension 1 of what is quantized).
        step: size of one integer step, above 0.
        low: code where no threshold is reached.
        bipolar: one threshold, and the codes -1 and +1; low is -1.
    """

    thresholds: Tensor

    def __init__(self, thresholds: Tensor, *, step: float | Tensor = 1.0, low: int = 0, bipolar: bool = False) -> None:
        super().__init__(ConstScale(step))
        if thresholds.ndim != 2 or not thresholds.numel() or bool(thresholds.isnan().any()):
            raise BadOption(
                f"ThresholdQuantizer: thresholds of shape {tuple(thresholds.shape)}; give numbers (channels, levels)"
            )
        if bipolar and (thresholds.shape[1] != 1 or low != -1):
            raise BadOption(f"ThresholdQuantizer: bipolar with {thresholds.shape[1]} levels from {low}; give 1 from -1")
        self.register_buffer("thresholds", thresholds.detach().clone().sort(dim=1).values)
        self.low, self.bipolar = low, bipolar
        self.signed = low < 0

    def quantize(self, x: Tensor) -> Tensor:
        """The codes times the step, at least float32; gradient to x: 1 up to a step beyond the outer thresholds."""
        value = wide(x)
        edges = self.thresholds.to(value.dtype).expand(value.shape[1], -1).contiguous()
        rows = value.detach().movedim(1, 0).contiguous()
        count = torch.searchsorted(edges, rows.reshape(len(edges), -1), right=True).reshape(rows.shape).movedim(0, 1)
        codes = (count * (2 if self.bipolar else 1) + self.low).to(value.dtype)
        shape, step = (-1, *[1] * (value.ndim - 2)), self.scale(value)
        inside = value.clamp(edges[:, 0].reshape(shape) - step, edges[:, -1].reshape(shape) + step)
        exact = torch.where(value.isnan(), value, codes * step)
        return with_gradient_of(exact, inside)

    def range(self) -> Range:
        """low..low + levels, or bipolar."""
        return binary() if self.bipolar else between(self.low, self.low + self.thresholds.shape[1])

    def extra_repr(self) -> str:
        return f"{tuple(self.thresholds.shape)}, low={self.low}, bipolar={self.bipolar}"
