"""The quantizer onto uniform integers of constant or learned width."""

from math import isnan, log2
from typing import Any, ClassVar

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, integers
from hwcost.graph.ste import ceil_ste, transformed, with_gradient_of
from hwcost.quant.bits import Bits, LearnedBits, Restrict, as_bits
from hwcost.quant.kernels import KINDS, SMALLEST, by_numbers, diverged, fake_quant, grid_numbers, levels
from hwcost.quant.quantizers import ScaledQuantizer, real, wide
from hwcost.quant.scale import POW2, Scale


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

    def holds_in(self, dtype: torch.dtype, bits: float | None = None) -> bool:
        """Whether every code survives as step times code in a precision.

        Args:
            dtype: of the values, e.g. torch.bfloat16, whose eight significant bits hold codes up to 128 in any step,
                and up to 256 where the step is a power of two.
            bits: width of the codes; None for the largest that they can have.
        """
        if dtype not in (torch.bfloat16, torch.float16):
            return True
        significant = 1 - int(log2(torch.finfo(dtype).eps))
        return (self.bits.most if bits is None else bits) - self.signed <= significant - (not self.power)

    def quantize(self, x: Tensor) -> Tensor:
        """The nearest multiples of the step inside the range.

        Args:
            x: float values, any shape.

        Returns:
            Like x; in float32 where the precision of x cannot hold the codes (see `holds_in`; compiled, or away from
            the CPU, where a width is not read: cannot hold the largest ones). Gradients: see `kernels.fake_quant`.

        Raises:
            DivergedTraining: the width is NaN (on the CPU).
        """
        if self._declares:
            # past Module.__getattr__: small networks wait for Python
            scale: Any = self._modules["scale"]
            bits: Any = self._modules["bits"]
            kind = KINDS[self.signed, self.narrow, scale.domain is POW2]
            found = by_numbers(x, scale, bits, kind, prune=bits.base < SMALLEST[self.signed])
            if found is not None:
                return found
        width, widest = self.width(), None
        if width.device.type == "cpu" and not transformed():
            widest = float(width.detach().amax())
            if isnan(widest):
                raise diverged()
        return fake_quant(
            real(x) if self.holds_in(x.dtype, widest) else x.float(),
            self.scale(wide(x)),
            width,
            signed=self.signed,
            narrow=self.narrow,
            power=self.power,
            prune=self.prune,
        )

    def numbers(self) -> tuple[float, float, float] | None:
        """(step, lowest code, highest code) now, as Python numbers and at once; None where only tensors tell."""
        if not self._declares or self.prune:
            return None
        return grid_numbers(self.scale, self.bits, KINDS[self.signed, self.narrow, self.power])

    def step(self, x: Tensor | None = None) -> Tensor:
        """threshold / N; gradient to both."""
        return self.threshold_of(x) / self._reach(self._coding(self.width()))

    def common_step(self, x: Tensor | None = None) -> Tensor:
        """The step that a sum counts in: the finest of those that are added up."""
        return self.threshold_of(x) / self._reach(self._finest(self._coding(self.width())))

    def threshold_of(self, x: Tensor | None = None) -> Tensor:
        """Threshold that values have been quantized with, at least float32; see `ScaledQuantizer.threshold_of`."""
        return super().threshold_of(None if x is None else wide(x))

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
        """See `ranges.integers`; 0 in 0 bits where pruned.

        The gradient of the bits passes until the width itself is 0: a price leads all the way to its floor, past the
        width below which nothing but zero is coded.
        """
        width = self.width()
        wire = integers(self._coding(width), signed=self.signed, narrow=self.narrow)
        if not self.prune:
            return wire
        own = width.cpu().to(wire.bits)
        live = own >= SMALLEST[self.signed]
        low, high, bits = (torch.where(live, bound, 0.0) for bound in (wire.low, wire.high, own))
        return Range(low, high, with_gradient_of(bits, torch.where(own > 0, own, 0.0)))

    def common_range(self, own: Range | None = None) -> Range:
        """`range`, counted in common steps; its bits are still those of the codes."""
        wire = super().common_range(own)
        if not (self.several and self.power):
            return wire
        coding = self._coding(self.width())
        unit = torch.exp2((self._finest(coding) - coding).cpu().double())
        return Range(wire.low * unit, wire.high * unit, wire.bits)

    def extra_repr(self) -> str:
        return f"signed={self.signed}, narrow={self.narrow}"
