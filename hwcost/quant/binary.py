"""Quantizers of one or two levels: binary and ternary."""

from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, binary, ternary
from hwcost.graph.ste import sign_ste, ternary_ste
from hwcost.quant.quantizers import ScaledQuantizer, wide
from hwcost.quant.scale import Scale


class BinaryQuantizer(ScaledQuantizer):
    """-s below zero, +s from zero on: one bipolar bit.

    Args:
        scale: s.
        clipped: stop the gradient to x where |x| > s (right for activations); otherwise it is s everywhere.
    """

    def __init__(self, *, scale: Scale, clipped: bool = False) -> None:
        super().__init__(scale)
        self.clipped = clipped

    def quantize(self, x: Tensor) -> Tensor:
        """sign(x) s, with sign(0) = 1; gradient s to x, and exact to s."""
        real = wide(x)
        s: Tensor = self.scale(real)
        # clamp's gradient is 1 at the bounds; that of torch.minimum is a half
        inside = real.clamp(-s.to(real.dtype), s.to(real.dtype)) if self.clipped else real
        return (sign_ste(inside) * s).to(x.dtype)

    def range(self) -> Range:
        return binary()

    def extra_repr(self) -> str:
        return f"clipped={self.clipped}"


class TernaryQuantizer(ScaledQuantizer):
    """-s, 0, +s: 0 where |x| < threshold s.

    Args:
        scale: s.
        threshold: half the width of the dead band, as a fraction of s, above 0.
    """

    def __init__(self, *, scale: Scale, threshold: float = 0.5) -> None:
        super().__init__(scale)
        if not 0 < threshold:
            raise BadOption(f"TernaryQuantizer: threshold={threshold!r}; give a fraction of the scale above 0")
        self.threshold = threshold

    def quantize(self, x: Tensor) -> Tensor:
        """s sign(x) outside of the dead band; gradient s to x there and 0 inside, exact to s."""
        real = wide(x)  # the edges of the dead band are float32
        s: Tensor = self.scale(real)
        return (ternary_ste(real, (self.threshold * s).detach()) * s).to(x.dtype)

    def range(self) -> Range:
        return ternary()

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}"
