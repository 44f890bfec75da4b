"""Bit-widths: constant, or learned as base + round(|offset|). Calling one gives the width as a tensor."""

from __future__ import annotations

from enum import Enum
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import magnitude, round_ste, whole_bits
from hwcost.quant.precision import FullPrecision

WIDEST = 32


class Restrict(Enum):
    """What values a learned width may take.

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

    def numbers(self) -> tuple[Tensor, int, int]:
        """(offset, base, most), for the paths that read widths outside of autograd."""
        return self.width, 0, WIDEST

    def forward(self) -> Tensor:
        """() width in bits; no gradient."""
        return self.width

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return str(self.base)


class LearnedBits(FullPrecision):
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

    def numbers(self) -> tuple[Tensor, int, int] | None:
        """(offset, base, most), for the paths that read widths outside of autograd; None unless they are whole."""
        if self.restrict is not Restrict.WHOLE or type(self) is not LearnedBits:
            return None  # not whole, or a class of the user's own, whose forward() decides
        # past Module.__getattr__, here as in the other modules of the hot path: small networks wait for Python
        offset: Any = self._parameters["offset"]
        return offset, self.base, self.most

    def forward(self) -> Tensor:
        """Width in bits, of `shape`. Gradient to offset: its sign, +1 at zero: no width freezes at its floor."""
        if self.restrict is Restrict.WHOLE:
            return whole_bits(self.offset, base=self.base, most=self.most)
        if self.restrict is Restrict.FLOAT:
            return torch.clamp(magnitude(self.offset) + self.base, max=self.most)
        exponent = round_ste(magnitude(self.offset) + log2(self.base))
        return torch.exp2(exponent).clamp(max=self.most)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"base={self.base}, most={self.most}, restrict={self.restrict.value}, shape={tuple(self.offset.shape)}"


Bits = int | ConstBits | LearnedBits


def as_bits(bits: Bits, owner: str) -> ConstBits | LearnedBits:
    """A width as a module; an int means a constant one.

    Raises:
        BadOption: neither an int nor a width, naming `owner`.
    """
    if isinstance(bits, ConstBits | LearnedBits):
        return bits
    if isinstance(bits, bool) or not isinstance(bits, int):
        raise BadOption(f"{owner}: bits={bits!r}; give an int, ConstBits or LearnedBits")
    return ConstBits(bits)
