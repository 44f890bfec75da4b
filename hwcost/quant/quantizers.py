"""Quantizers: real values onto integer codes (value pass), and the range of those codes (hardware pass)."""

from __future__ import annotations

from math import log2
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, integers
from hwcost.graph.ste import ceil_ste, transformed
from hwcost.quant.bits import Bits, LearnedBits, Restrict, as_bits
from hwcost.quant.kernels import KINDS, SMALLEST, by_numbers, diverged, fake_quant, levels
from hwcost.quant.scale import POW2, LearnedScale, Scale
from hwcost.quant.tensor import QuantTensor

CODES = 2**31
"""No code is larger: what is beyond (and NaN) has no integer."""


@runtime_checkable
class Quantizer(Protocol):
    """What a layer asks of a quantizer; any module with these methods serves."""

    signed: bool

    def __call__(self, x: Tensor) -> Tensor:
        """As `quantize`."""
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
    """What the built-in quantizers have in common: a scale, and codes that follow from values and step."""

    signed = True

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        if not (isinstance(scale, nn.Module) and isinstance(scale, Scale)):
            raise BadOption(
                f"{type(self).__name__}: scale={scale!r}; give ConstScale, LearnedScale, StatScale or RunningScale"
            )
        self.scale: Any = scale

    def forward(self, x: Tensor) -> Tensor:
        """As `quantize`."""
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

    def common_range(self) -> Range:
        """`range`, counted in common steps."""
        return self.range()

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


class IntQuantizer(ScaledQuantizer):
    """Uniform integers: clamp to the range, then round half to even.

    Args:
        bits: an int (constant), `ConstBits`, or `LearnedBits`; pass the same object twice to share a width.
        scale: threshold that the largest integer stands for; share it likewise.
        signed: two's complement (at least 2 bits), or unsigned (at least 1).
        narrow: symmetric signed range, e.g. -7..7 in 4 bits; right for weights scaled by their largest.

    Widths may differ by channel, or by weight, with `LearnedBits(shape=...)`. Those that are added up in one sum need
    steps that are powers of two apart, so a POW2 scale; the sum then counts in the finest step among them, the common
    step. With LearnedBits(base=0), what has too few bits for any code but zero (0, and 1 where signed) is pruned: it is
    zero, NaN too, and its range has 0 bits.

    The step is threshold / N: N = 2^(bits-1) signed, 2^(bits-1) - 1 signed narrow, 2^bits - 1 unsigned; with a POW2
    scale 2^(bits-1) or 2^bits, so that the step is a power of two. Values are x / step clamped, then rounded: the
    gradient to x is 0 beyond the bounds.
    """

    _declares: ClassVar[bool] = True
    """Whether scale, width and kind say all that `quantize` computes; not where a subclass computes one of them."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own, ours = (cls.width, cls.power, cls.prune), (IntQuantizer.width, IntQuantizer.power, IntQuantizer.prune)
        cls._declares = own == ours

    def __init__(self, *, bits: Bits, scale: Scale, signed: bool = True, narrow: bool = False) -> None:
        super().__init__(scale)
        self.bits = as_bits(bits, "IntQuantizer")
        self.signed, self.narrow = signed, narrow
        if narrow and not signed:
            raise BadOption("IntQuantizer: narrow=True with signed=False; an unsigned range has no lowest code to drop")
        if signed and self.bits.base == 1:
            raise BadOption(
                "IntQuantizer: a signed width from 1 bit; give at least 2, 0 to allow pruning, or use BinaryQuantizer"
            )

    @property
    def power(self) -> bool:
        """Whether N is a power of two."""
        return bool(self.scale.domain is POW2)

    @property
    def prune(self) -> bool:
        """Whether widths may be too small for any code but zero."""
        return int(self.bits.base) < SMALLEST[self.signed]

    @property
    def several(self) -> bool:
        """Whether there is more than one width."""
        return isinstance(self.bits, LearnedBits) and self.bits.offset.numel() > 1

    @property
    def per_channel(self) -> bool:
        """Whether channels have steps of their own."""
        return self.scale.channel_dim is not None or (self.several and not self.power)

    def width(self) -> Tensor:
        """Whole width of the codes now, in bits; gradient to a learned width."""
        width: Tensor = self.bits()
        if isinstance(self.bits, LearnedBits) and self.bits.restrict is Restrict.FLOAT:
            return ceil_ste(width)
        return width

    def holds_in(self, dtype: torch.dtype) -> bool:
        """Whether every code that the widths can reach survives as step times code in this precision.

        Args:
            dtype: of the values, e.g. torch.bfloat16, whose eight significant bits hold codes up to 128 in any step,
                and up to 256 where the step is a power of two.
        """
        if dtype not in (torch.bfloat16, torch.float16):
            return True
        significant = 1 - int(log2(torch.finfo(dtype).eps))
        return self.bits.most - self.signed <= significant - (not self.power)

    def quantize(self, x: Tensor) -> Tensor:
        """The nearest multiples of the step inside the range.

        Args:
            x: float values, any shape.

        Returns:
            Like x; in float32 where the precision of x cannot hold the codes (see `holds_in`). Gradients: see
            `kernels.fake_quant`.

        Raises:
            DivergedTraining: the width is NaN (on the CPU, where that is known).
        """
        if self._declares:
            # past Module.__getattr__: small networks wait for Python
            scale: Any = self._modules["scale"]
            bits: Any = self._modules["bits"]
            kind = KINDS[self.signed, self.narrow, scale.domain is POW2]
            found = by_numbers(x, scale, bits, kind, prune=bits.base < SMALLEST[self.signed])
            if found is not None:
                return found
        width = self.width()
        if width.device.type == "cpu" and not transformed() and bool(width.isnan().any()):
            raise diverged()
        return fake_quant(
            real(x) if self.holds_in(x.dtype) else x.float(),
            self.scale(_wide(x)),
            width,
            signed=self.signed,
            narrow=self.narrow,
            power=self.power,
            prune=self.prune,
        )

    def step(self, x: Tensor | None = None) -> Tensor:
        """threshold / N; gradient to both."""
        return self.threshold_of(x) / self._reach(self._coding(self.width()))

    def common_step(self, x: Tensor | None = None) -> Tensor:
        """The step that a sum counts in: the finest of those that are added up."""
        return self.threshold_of(x) / self._reach(self._finest(self._coding(self.width())))

    def threshold_of(self, x: Tensor | None = None) -> Tensor:
        """As every quantizer; at least float32."""
        return super().threshold_of(None if x is None else _wide(x))

    def _reach(self, width: Tensor) -> Tensor:
        return levels(width, KINDS[self.signed, self.narrow, self.power])[2]

    def _coding(self, width: Tensor) -> Tensor:
        """Widths as they count for the step: the smallest that codes anything takes the place of a pruned one."""
        return width.clamp(min=SMALLEST[self.signed]) if self.prune else width

    def _finest(self, width: Tensor) -> Tensor:
        """The width whose step the codes count in: the largest of those that are added up."""
        if width.numel() == 1 or not self.power:
            return width
        channel = self.scale.channel_dim
        summed = [dim for dim in range(width.ndim) if channel is None or dim != channel % width.ndim]
        return width.amax(summed, keepdim=True) if summed else width

    def range(self) -> Range:
        """See `ranges.integers`; 0 in 0 bits where pruned."""
        width = self.width()
        wire = integers(self._coding(width), signed=self.signed, narrow=self.narrow)
        if not self.prune:
            return wire
        live = (width >= SMALLEST[self.signed]).cpu()
        return Range(*(torch.where(live, bound, 0.0) for bound in (wire.low, wire.high, wire.bits)))

    def common_range(self) -> Range:
        """`range`, counted in common steps; its bits are still those of the codes."""
        wire = self.range()
        if not (self.several and self.power):
            return wire
        coding = self._coding(self.width())
        unit = torch.exp2((self._finest(coding) - coding).cpu().double())
        return Range(wire.low * unit, wire.high * unit, wire.bits)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"signed={self.signed}, narrow={self.narrow}"


def real(x: Tensor) -> Tensor:
    """x.

    Raises:
        BadOption: integers, which would be cut off to integers again behind the quantizer.
    """
    if not x.is_floating_point():
        raise BadOption(f"a tensor of {x.dtype} reached a quantizer, which takes real values; give x.float()")
    return x


def _wide(x: Tensor) -> Tensor:
    """At least float32, so that a step is as exact as the codes need."""
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
