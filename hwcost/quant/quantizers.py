"""Quantizers: real values onto integer codes (value pass), and the range of those codes (hardware pass)."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range
from hwcost.quant.scale import LearnedScale, Scale
from hwcost.quant.tensor import QuantTensor

CODES = 2**31
"""No code is larger: what is beyond (and NaN) has no integer."""


@runtime_checkable
class Quantizer(Protocol):
    """Methods that a layer needs of a quantizer; any module that has them serves."""

    signed: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Quantize x; a call, so that hooks see it."""
        ...

    def quantize(self, x: Tensor) -> Tensor:
        """Value pass: the nearest representable values."""
        ...

    def integers(self, x: Tensor) -> Tensor:
        """The int64 codes of x."""
        ...

    def step(self, x: Tensor | None = None) -> Tensor:
        """Size of one integer step; () or broadcastable to x."""
        ...

    def tensor(self, x: Tensor) -> QuantTensor:
        """The quantized values together with their step and range."""
        ...

    def range(self) -> Range:
        """Hardware pass: the integers that leave, float64, differentiable to a learned width; no data needed."""
        ...


class ScaledQuantizer(nn.Module):
    """Base of the built-in quantizers: a scale, and codes that follow from values and step."""

    signed = True

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        if not (isinstance(scale, nn.Module) and isinstance(scale, Scale)):
            raise BadOption(
                f"{type(self).__name__}: scale={scale!r}; give ConstScale, LearnedScale, StatScale or RunningScale"
            )
        self.scale: Any = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.quantize(x)

    def quantize(self, x: Tensor) -> Tensor:
        """The nearest representable values."""
        raise NotImplementedError(f"{type(self).__name__}.quantize")

    def range(self) -> Range:
        """The integers that leave."""
        raise NotImplementedError(f"{type(self).__name__}.range")

    @property
    def measured(self) -> bool:
        """Whether the scale measures what is quantized, so that several tensors must be quantized at once."""
        return bool(getattr(self.scale, "measured", False))

    def threshold_of(self, x: Tensor | None = None) -> Tensor:
        """The threshold that values have been quantized with; nothing is measured.

        Args:
            x: the values; needed only where the scale is a statistic of them.

        Returns:
            () or broadcastable to x, with the gradient of the scale.
        """
        latest = getattr(self.scale, "latest", None)
        found: Tensor = self.scale(x) if x is None or latest is None else latest(x)
        return found

    def step(self, x: Tensor | None = None) -> Tensor:
        """Size of one integer step of values that have been quantized; x as `threshold_of`."""
        return self.threshold_of(x)

    def common_step(self, x: Tensor | None = None) -> Tensor:
        """The step that a sum counts in."""
        return self.step(x)

    def common_range(self, own: Range | None = None) -> Range:
        """`range`, counted in common steps.

        Args:
            own: `range()`, where it is known already.
        """
        return self.range() if own is None else own

    def integers(self, x: Tensor) -> Tensor:
        """The codes of x.

        Args:
            x: values without NaN.

        Returns:
            int64, like x; quantize(x) = step(x) times these. No gradient.

        Raises:
            BadOption: a value with no code (NaN).
        """
        with torch.no_grad():
            codes = torch.round(self.quantize(x).double() / self.step(x).double())
            if not bool((codes.abs() <= CODES).all()):
                raise BadOption(
                    f"{type(self).__name__}: a value of x or of the step is NaN or infinite; it has no code"
                )
            return codes.to(torch.int64)

    @property
    def per_channel(self) -> bool:
        """Whether channels have steps of their own, so that no common scale makes integers of all."""
        return self.scale.channel_dim is not None

    def tensor(self, x: Tensor) -> QuantTensor:
        """The quantized values together with their step and range: the common ones, where widths differ."""
        return QuantTensor(self.quantize(x), self.common_step(x), self.common_range())

    def start(self, x: Tensor) -> None:
        """Start a scale built by `LearnedScale.from_stat` at its statistic of x; nothing to do for others."""
        scale = self.scale
        if isinstance(scale, LearnedScale) and not scale.started:
            scale.start(x)

    def follow(self, before: Tensor, after: Tensor) -> None:
        """Let the scale move with weights that change.

        Args:
            before, after: the weights.

        Raises:
            BadOption: a scale that cannot.
        """
        follow = getattr(self.scale, "follow", None)
        if follow is None:
            raise BadOption(
                f"{type(self.scale).__name__} has no follow(before, after), and the weights change; write it"
            )
        follow(before, after)


def real(x: Tensor) -> Tensor:
    """x.

    Raises:
        BadOption: integers, which would be cut off to integers again behind the quantizer.
    """
    if not x.is_floating_point():
        raise BadOption(f"a tensor of {x.dtype} reached a quantizer, which takes real values; give x.float()")
    return x


def wide(x: Tensor) -> Tensor:
    """Convert x to at least float32, so that a step is as exact as the codes need."""
    x = real(x)
    return x.to(torch.promote_types(x.dtype, torch.float32))


def checked(quantizer: object, owner: str) -> Any:
    """The quantizer (or None) as given.

    Raises:
        BadOption: it is neither, naming `owner`.
    """
    if quantizer is None or (isinstance(quantizer, nn.Module) and isinstance(quantizer, Quantizer)):
        return quantizer
    raise BadOption(f"{owner}={quantizer!r}; give IntQuantizer, BinaryQuantizer, TernaryQuantizer, your own, or None")


def common_step(quantizer: Quantizer, x: Tensor) -> Tensor:
    """The step that a sum counts in; a quantizer of the user's own may have its step alone."""
    found: Tensor = getattr(quantizer, "common_step", quantizer.step)(x)
    return found


def common_range(quantizer: Quantizer, own: Range | None = None) -> Range:
    """The integers of a quantizer, counted in common steps; `own` is its `range()`, where it is known already."""
    wire = quantizer.range() if own is None else own
    counted = getattr(quantizer, "common_range", None)
    found: Range = wire if counted is None else counted(wire)
    return found


def per_channel(number: Tensor) -> Tensor:
    """Reshape what broadcasts to () or (channels,)."""
    return number.reshape(() if number.numel() == 1 else (-1,))
