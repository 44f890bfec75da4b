"""Accumulator-aware weights: their sums are bounded, so that a narrow accumulator can never overflow."""

from math import floor

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ste import trunc_ste
from hwcost.quant.bits import Bits
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.scale import Scale

METHODS = ("subtract", "scale")


def l1_limit(acc_bits: int, input_bits: int, *, input_signed: bool = False, centered: bool = False) -> float:
    """Largest sum of |integer weights| of one output channel that cannot overflow an accumulator.

    Args:
        acc_bits: signed width of the accumulator, P.
        input_bits: width of an input, N.
        input_signed: of the input.
        centered: positive and negative weights have half of the limit each.

    Returns:
        (2^(P-1) - 1) 2^(signed - N), or (2^P - 2) / (2^N - 1) where centered.

    Source: A2Q (Colbert et al., ICCV 2023, arXiv:2308.13504) and A2Q+ (2024, arXiv:2401.10432).

    >>> l1_limit(12, 4)
    127.9375
    """
    if centered:
        return float((2.0**acc_bits - 2) / (2.0**input_bits - 1))
    return float((2.0 ** (acc_bits - 1) - 1) * 2.0 ** (int(input_signed) - input_bits))


class BoundedQuantizer(IntQuantizer):
    """Signed narrow weights whose magnitudes add up to no more than the accumulator holds. Rounds towards zero.

    Args:
        bits, scale: as IntQuantizer; one scale per output channel (dimension 0), or one per tensor.
        acc_bits: width of the signed accumulator that must not overflow, P.
        input_bits, input_signed: of the layer's input.
        centered: bound positive and negative weights apart, each with half of the larger A2Q+ limit; unsigned inputs
            only. This nearly doubles the room.
        method: how weights beyond the limit shrink. "subtract": every magnitude by the same amount (the nearest
            point within the limit: large weights survive). "scale": by the same factor, as A2Q does (with a tight
            limit every integer can round to 0).

    The layer's description knows the bound: its accumulator is at most acc_bits wide.
    """

    def __init__(
        self,
        *,
        bits: Bits,
        scale: Scale,
        acc_bits: int,
        input_bits: int,
        input_signed: bool = False,
        centered: bool = False,
        method: str = "subtract",
    ) -> None:
        super().__init__(bits=bits, scale=scale, signed=True, narrow=True)
        if self.several or self.prune:
            raise BadOption("BoundedQuantizer: it takes one width of at least 2 bits for all weights")
        if not 2 <= acc_bits <= 32 or not 1 <= input_bits <= 32:
            raise BadOption(f"BoundedQuantizer: acc_bits={acc_bits}, input_bits={input_bits}; give 2 to 32 and 1 to 32")
        if centered and input_signed:
            raise BadOption("BoundedQuantizer: centered=True needs unsigned inputs; give input_signed=False")
        if method not in METHODS:
            raise BadOption(f"BoundedQuantizer: method={method!r}; give one of {', '.join(METHODS)}")
        self.acc_bits, self.input_bits, self.input_signed = acc_bits, input_bits, input_signed
        self.centered, self.method = centered, method

    @property
    def limit(self) -> float:
        """See `l1_limit`."""
        return l1_limit(self.acc_bits, self.input_bits, input_signed=self.input_signed, centered=self.centered)

    def l1_bound(self) -> tuple[int, int, int]:
        """Largest sums, over one output channel, of the positive integers, the negative ones, and all magnitudes."""
        if self.centered:
            return floor(self.limit / 2), floor(self.limit / 2), 2 * floor(self.limit / 2)
        return (floor(self.limit),) * 3

    def quantize(self, x: Tensor) -> Tensor:
        """Shrink into the limit, round towards zero, clip to the width; the rounding passes gradients unchanged."""
        step = self.step(x)
        rows = (x / step).flatten(1)
        if self.centered:
            half = self.limit / 2
            shrunk = self._shrunk(rows.clamp(min=0), half) + self._shrunk(rows.clamp(max=0), half)
        else:
            shrunk = self._shrunk(rows, self.limit)
        wire = self.range()
        most = wire.high.to(x.dtype)
        # clamp's gradient is 1 at the bounds, where the largest weight stands; that of torch.minimum is a half
        whole = trunc_ste(shrunk.reshape(x.shape).clamp(-most, most))
        return (whole * step).to(x.dtype)

    def _shrunk(self, rows: Tensor, limit: float) -> Tensor:
        size = rows.abs()
        total = size.sum(1, keepdim=True)
        if self.method == "scale":
            # one ulp of headroom: the sum of what is left must not round above the limit
            return torch.where(total > limit, rows * (limit * (1 - 1e-6) / total.clamp(min=limit)), rows)
        return torch.where(total > limit, rows.sign() * (size - _cut(size, limit)).clamp(min=0), rows)


def _cut(size: Tensor, limit: float) -> Tensor:
    """Amount by which every magnitude of a row must shrink so that the rest adds up to `limit`; (rows, 1)."""
    ordered = size.detach().sort(1, descending=True).values
    count = torch.arange(1, size.shape[1] + 1, dtype=size.dtype, device=size.device)
    cuts = (ordered.cumsum(1) - limit * (1 - 1e-6)) / count
    kept = (ordered > cuts).sum(1, keepdim=True).clamp(min=1)
    return cuts.gather(1, kept - 1).clamp(min=0)
