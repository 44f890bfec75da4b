"""Accumulators narrower than the worst case: saturating, wrapping around, or with their lowest bits cut off."""

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, between, clip, integers
from hwcost.graph.spec import Block, Saturate
from hwcost.graph.ste import floor_ste, round_ste, with_gradient_of
from hwcost.quant.bits import ConstBits, LearnedBits
from hwcost.quant.kernels import fake_quant
from hwcost.quant.precision import Described, Stored
from hwcost.quant.tensor import QuantTensor

MODES = ("saturate", "wrap", "truncate")
OPENING = 1e-6
"""Keeps 1 / |p| finite at p = 0."""


class NarrowedBits(Described):
    """A width `removed` bits below the one that enters, where removed = round(1 / |p|) is learned.

    Weight decay on p removes more bits: that is its purpose. The gradient grows as removed^2, so give p a small
    learning rate.

    Args:
        removed: bits taken away at the start, at least 0 (0 starts at p = 10: removed stays 0 until p decays).
        least, most: bounds of the width that comes out, in bits.

    Attributes:
        p: the Parameter.

    >>> NarrowedBits(4)(torch.tensor(20.0)).item()
    16.0
    """

    def __init__(self, removed: int = 0, *, least: int = 2, most: int = 32) -> None:
        super().__init__()
        if removed < 0 or not 1 <= least <= most:
            raise BadOption(
                f"NarrowedBits({removed!r}, least={least!r}, most={most!r}): give removed >= 0, 1 <= least <= most"
            )
        self.least, self.most = least, most
        self.p = nn.Parameter(torch.tensor(1 / removed if removed else 10.0))

    def removed(self) -> Tensor:
        """round(1 / (1e-6 + |p|)), in bits; gradient -sign(p) / (1e-6 + |p|)^2."""
        return round_ste(1 / (OPENING + self.p.abs()))

    def forward(self, width: Tensor) -> Tensor:
        """The width that comes out of one that enters; it saturates at its bounds, where gradients still pass."""
        rest = width - self.removed().to(width)
        return with_gradient_of(rest.clamp(self.least, self.most), rest)

    def cut(self, width: Tensor) -> Tensor:
        """Lowest bits to cut off so that the rest stays within its bounds; gradients to p, and to width at a bound."""
        return torch.minimum(torch.maximum(self.removed().to(width), width - self.most), width - self.least)

    def reading(self) -> tuple[int, ...]:
        return self.least, self.most

    def converted(self, state: Stored, prefix: str, reading: tuple[int, ...]) -> Stored:
        """Refuse: other bounds give other widths."""
        raise BadOption(
            f"{prefix[:-1]}: stored with least={reading[0]}, most={reading[1]}, and this network has "
            f"least={self.least}, most={self.most}; build it with the stored ones"
        )

    def extra_repr(self) -> str:
        return f"least={self.least}, most={self.most}"


class Accumulator(nn.Module):
    """Treatment of a sum that is wider than its register; part of a layer, or a module on its own.

    Args:
        bits: width of the result: an int, `ConstBits`, `LearnedBits`, or `NarrowedBits` relative to what enters.
        mode: "saturate": clip the finished sum. "wrap": count modulo 2^bits, as a register of that width does; it is
            exact to wrap only once, at the end. "truncate": cut the lowest bits off, an arithmetic shift right.
        signed: of the result; an unsigned accumulator saturates at 0.
        narrow: symmetric range, for "saturate" only.
        keep_scale: for "truncate" only: do not multiply the scale by 2^(bits cut), so that values shrink.
    """

    def __init__(
        self,
        *,
        bits: int | ConstBits | LearnedBits | NarrowedBits,
        mode: str,
        signed: bool = True,
        narrow: bool = False,
        keep_scale: bool = False,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise BadOption(f"Accumulator: mode={mode!r}; give one of {', '.join(MODES)}")
        if narrow and (mode != "saturate" or not signed):
            raise BadOption("Accumulator: narrow=True is for a signed accumulator with mode='saturate'")
        if keep_scale and mode != "truncate":
            raise BadOption("Accumulator: keep_scale=True is for mode='truncate'")
        self.bits = ConstBits(bits) if isinstance(bits, int) else bits
        if not isinstance(self.bits, ConstBits | LearnedBits | NarrowedBits):
            raise BadOption(f"Accumulator: bits={bits!r}; give an int, ConstBits, LearnedBits or NarrowedBits")
        least = self.bits.least if isinstance(self.bits, NarrowedBits) else self.bits.base
        if signed and least < 2:
            raise BadOption(f"Accumulator: a signed width from {least} bit; give at least 2")
        self.mode, self.signed, self.narrow, self.keep_scale = mode, signed, narrow, keep_scale

    def _width(self, wire: Range) -> Tensor:
        """Width of the result; never above that of what enters."""
        entering = wire.bits.amax()
        narrowed = isinstance(self.bits, NarrowedBits)
        width: Tensor = self.bits(entering) if narrowed else self.bits().to(entering)
        return torch.minimum(width, entering)

    def _cut(self, wire: Range) -> Tensor:
        entering = wire.bits.amax()
        if isinstance(self.bits, NarrowedBits):
            return self.bits.cut(entering)
        width: Tensor = self.bits().to(entering)
        return (entering - width).clamp(min=0)

    def shift(self, wire: Range) -> int:
        """Lowest bits that "truncate" cuts off integers of this range now."""
        return int(self._cut(wire).detach())

    def range(self, wire: Range) -> Range:
        """The integers that leave, of those that enter; differentiable to both widths."""
        if self.mode == "truncate":
            unit = torch.exp2(self._cut(wire))
            return between(floor_ste(wire.low / unit), floor_ste(wire.high / unit))
        result = integers(self._width(wire), signed=self.signed, narrow=self.narrow)
        return clip(wire, result) if self.mode == "saturate" else result

    def register(self, wire: Range) -> Range:
        """Range of the register that holds the sum: narrow only if it wraps; the other modes need the full sum."""
        return self.range(wire) if self.mode == "wrap" else wire

    def blocks(self, wire: Range, *, channels: int, vectors: int) -> tuple[Block, ...]:
        """Hardware behind the sum: a clip, or wires."""
        if self.mode != "saturate":
            return ()
        return (Saturate(channels=channels, vectors=vectors, input=wire, output=self.range(wire)),)

    def forward(self, x: QuantTensor) -> QuantTensor:
        """Apply to integers.

        Args:
            x: the sum, with its scale and range.

        Returns:
            The result; gradients to x, its scale, and the widths.
        """
        if not isinstance(x, QuantTensor):
            raise BadOption("Accumulator: a plain tensor has no integers; pass a QuantTensor, or give it to a layer")
        out = self.range(x.range)
        if self.mode == "saturate":
            return QuantTensor(self._saturated(x), x.scale, out)
        if self.mode == "wrap":
            return QuantTensor(self._wrapped(x), x.scale, out)
        unit = torch.exp2(self._cut(x.range)).to(x.value)
        scale = x.scale if self.keep_scale else x.scale * unit
        # first to the integer, then the floor: dividing floats may miss an integer from below
        return QuantTensor((floor_ste(x.int() / unit) * scale).to(x.value.dtype), scale, out)

    def _saturated(self, x: QuantTensor) -> Tensor:
        width = self._width(x.range).to(x.scale)
        span = torch.exp2(width - 1 if self.signed else width)
        # on whole numbers: x / scale may put a sum that is at its bound just beyond it, where its gradient ends
        whole = fake_quant(x.int(), span, width, signed=self.signed, narrow=self.narrow, power=True)
        return (whole * x.scale).to(x.value.dtype)

    def _wrapped(self, x: QuantTensor) -> Tensor:
        period = torch.exp2(self._width(x.range)).to(x.value)
        low = -period / 2 if self.signed else torch.zeros_like(period)
        whole = x.int()
        turns = torch.floor((whole - low) / period).detach()
        return ((whole - turns * period) * x.scale).to(x.value.dtype)

    def extra_repr(self) -> str:
        return f"mode={self.mode}, signed={self.signed}, narrow={self.narrow}, keep_scale={self.keep_scale}"
