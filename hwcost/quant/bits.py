"""Bit-widths: constant, or learned as base + round(|offset|). Calling one gives the width as a tensor."""

from collections.abc import Callable
from enum import Enum
from math import log2
from typing import Self

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import held, magnitude, round_ste, whole_bits
from hwcost.quant.kernels import Widths
from hwcost.quant.precision import Described, FullPrecision, Stored

WIDEST = 32


class Restrict(Enum):
    """Values that a learned width may take.

    WHOLE: whole numbers. FLOAT: any real number; the hardware and the codes are those of the next whole width.
    POW2: 2, 4, 8, 16...
    """

    WHOLE = "whole"
    FLOAT = "float"
    POW2 = "pow2"


class ConstBits(FullPrecision):
    """A constant bit-width.

    Args:
        bits: whole number, 1 to 32.

    >>> ConstBits(4)()
    tensor(4.)
    """

    width: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= WIDEST:
            raise BadOption(f"ConstBits({bits!r}): give a whole number of bits, 1 to {WIDEST}")
        self.register_buffer("width", torch.tensor(float(bits)), persistent=False)
        self.base = self.most = bits

    def plain(self) -> Widths | None:
        """The width itself."""
        width = self._buffers["width"]
        return None if width is None else (width, 0, WIDEST)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        empty = self.width.is_meta
        super()._apply(fn, recurse)
        if empty and not self.width.is_meta:  # `to_empty` leaves it without a value, and no checkpoint has it
            self.width.fill_(self.base)
        return self

    def forward(self) -> Tensor:
        """() width in bits; no gradient."""
        return self.width

    def extra_repr(self) -> str:
        return str(self.base)


class LearnedBits(Described):
    """A bit-width that trains: base + round(|offset|), never above `most`.

    Args:
        bits: starting width; base <= bits <= most.
        base: smallest width, in bits. 0 lets what has that width be pruned: it becomes zero, and costs nothing.
        most: largest width, in bits, at most 32; no training step can exceed it.
        restrict: whole, float, or power-of-two widths.
        shape: () for one width, or a shape that broadcasts against the quantized tensor.

    Attributes:
        offset: the Parameter; of `shape`. Keep weight decay away from it: it would narrow the layer.

    >>> LearnedBits(8, base=2)().item()
    8.0
    """

    def __init__(
        self,
        bits: float,
        *,
        base: int = 2,
        most: int = 16,
        restrict: Restrict = Restrict.WHOLE,
        shape: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if not 0 <= base <= bits <= most <= WIDEST or most < 1:
            raise BadOption(
                f"LearnedBits({bits!r}, base={base!r}, most={most!r}): give 0 <= base <= bits <= most <= {WIDEST}"
            )
        if not isinstance(restrict, Restrict):
            raise BadOption(f"LearnedBits: restrict={restrict!r}; give Restrict.WHOLE, FLOAT or POW2")
        if restrict is Restrict.POW2 and any(width < 1 or not log2(width).is_integer() for width in (base, most)):
            raise BadOption(f"LearnedBits: base={base} and most={most} must be powers of two with Restrict.POW2")
        self.base, self.most, self.restrict = base, most, restrict
        start = log2(bits) - log2(base) if restrict is Restrict.POW2 else bits - base
        self.offset = nn.Parameter(torch.full(shape, float(start)))

    def plain(self) -> Widths | None:
        """Whole widths; None of others, and where a parametrization of torch computes the offset."""
        # past Module.__getattr__, here as in the other modules of the hot path: small networks wait for Python
        offset = self._parameters.get("offset")
        if offset is None or self.restrict is not Restrict.WHOLE:
            return None
        return offset, self.base, self.most

    def forward(self) -> Tensor:
        """Width in bits, of `shape`. Gradient to offset: its sign, +1 at zero: no width freezes at its floor."""
        if self.restrict is Restrict.WHOLE:
            return whole_bits(self.offset, base=self.base, most=self.most)
        if self.restrict is Restrict.FLOAT:
            return held(magnitude(self.offset) + self.base, most=self.most)
        return torch.exp2(round_ste(held(magnitude(self.offset) + log2(self.base), most=log2(self.most))))

    def reading(self) -> tuple[int, ...]:
        return self.base, self.most, list(Restrict).index(self.restrict)

    def converted(self, state: Stored, prefix: str, reading: tuple[int, ...]) -> Stored:
        """Offsets that give the same widths from this base."""
        offset = state.get(f"{prefix}offset")
        if offset is None:
            return state
        base, most, restrict = reading[0], reading[1], list(Restrict)[reading[2]]
        if restrict is not self.restrict:
            raise BadOption(
                f"{prefix[:-1]}: stored with restrict=Restrict.{restrict.name}, and this network has "
                f"Restrict.{self.restrict.name}; build it with the stored one"
            )
        scale = log2 if restrict is Restrict.POW2 else float
        place = offset.abs().clamp(max=scale(most) - scale(base)) + scale(base)
        steps = place if restrict is Restrict.FLOAT else place.round()
        low, high = scale(self.base), scale(self.most)
        if bool(((steps < low) | (steps > high)).any()):
            widths = torch.exp2(steps) if restrict is Restrict.POW2 else steps
            raise BadOption(
                f"{prefix[:-1]}: stored widths of {float(widths.min()):g} to {float(widths.max()):g} bits, and this "
                f"network has base={self.base}, most={self.most}; build it with base={base}, most={most}, as stored"
            )
        return state | {f"{prefix}offset": torch.copysign((place - low).clamp(min=0), offset)}

    def extra_repr(self) -> str:
        shape = tuple(self.offset.shape)
        return f"{self._now()}base={self.base}, most={self.most}, restrict={self.restrict.value}, shape={shape}"

    def _now(self) -> str:
        if self.offset.is_meta or not self.offset.numel():  # no numbers
            return ""
        with torch.no_grad():
            least, most = (float(width) for width in self().aminmax())
        return f"now {least:g}, " if least == most else f"now {least:g} to {most:g}, "


Bits = int | ConstBits | LearnedBits


def as_bits(bits: Bits, owner: str) -> ConstBits | LearnedBits:
    """A width as a module; an int means a constant one."""
    if isinstance(bits, ConstBits | LearnedBits):
        return bits
    if isinstance(bits, bool) or not isinstance(bits, int):
        raise BadOption(f"{owner}: bits={bits!r}; give an int, ConstBits or LearnedBits")
    return ConstBits(bits)
