"""Normalization of rows as one autograd node: integers forwards, the norm in float backwards, few passes over both."""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hwcost.graph.inverse import InverseTable

EXACT_BITS = 24
"""Bits of a whole number that single precision holds."""

BIAS, MANTISSA = 1023, 52
"""Offset of the exponent of a double, and its bits behind the leading one."""


@dataclass(frozen=True)
class RowRule:
    """Numbers of a norm at the present step of its input.

    Attributes:
        features: elements of a row. step: of its integers; reach: their largest magnitude.
        fraction: bits of the mean below the step; None where no mean is taken off.
        factor, shift: the mean is factor * sum >> shift.
        addend: eps in the unit of the sum of squares. eps: itself.
        table: of the inverse roots; cut: bits cut off the product with one.
    """

    features: int
    step: float
    reach: int
    fraction: int | None
    factor: int
    shift: int
    addend: int
    eps: float
    table: InverseTable
    cut: int

    @property
    def unit(self) -> float:
        """Value of one integer of the result, in front of its factor."""
        return sqrt(self.features) * 2.0 ** (self.cut - self.table.scale_bits)

    def wide(self, dtype: torch.dtype) -> torch.dtype:
        """A precision that holds every sum over a row and every product of an element."""
        bits = self.reach.bit_length() + (self.fraction or 0) + 1 + self.table.bits + 1
        exact = bits <= EXACT_BITS and self.features * self.reach**2 <= 2**EXACT_BITS
        return torch.promote_types(dtype, torch.float32) if exact else torch.float64


@lru_cache(64)
def _words(kind: str, index_bits: int, bits: int, top: int) -> Tensor:
    """Every inverse, float64, by the exponent and the leading bits of a double from 1 to below 2^(top + 1)."""
    table = InverseTable(kind, index_bits, bits, 1, 2 ** (top + 1) - 1)
    first = BIAS << index_bits
    place = torch.arange(first, first + ((top + 1) << index_bits)) << (MANTISSA - index_bits)
    return table(place.view(torch.float64).floor().to(torch.int64)).double()


def inverses(table: InverseTable, z: Tensor) -> Tensor:
    """The same as the table gives, of whole numbers in float64."""
    words = _words(table.kind, table.index_bits, table.bits, table.top).to(z.device)
    place = z.clamp(table.low, table.high).view(torch.int64) >> (MANTISSA - table.index_bits)
    # the clamp is for NaN, which must not be an index
    return torch.take(words, place.sub_(BIAS << table.index_bits).clamp_(0, len(words) - 1))


class NormalizedRows(torch.autograd.Function):
    """(..., features) on the grid of a step -> floor(rows * inverse root) * unit * weight + bias.

    Args:
        rows, weight, bias: values; factor and addend per feature, or None.
        rule: the numbers of the norm.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor | None, bias: Tensor | None, rule: RowRule) -> Tensor:
        x = torch.div(rows.to(rule.wide(rows.dtype)), rule.step).round_()
        first = x.sum(-1, keepdim=True).double() if rule.fraction is not None else None
        squares = x.square().sum(-1, keepdim=True).double()
        z, finer, mean = squares + rule.addend, 1.0, None
        if rule.fraction is not None and first is not None:
            finer = 2.0**rule.fraction
            mean = torch.floor((first * rule.factor + (1 << rule.shift >> 1)).mul_(2.0**-rule.shift))
            # sum((finer x - mean)^2), without a pass over all elements
            z = torch.addcmul(squares * finer**2 + rule.addend, mean, mean * rule.features - first * (2 * finer))
        inverse = inverses(rule.table, z).mul_(2.0**-rule.cut)
        y = x * (inverse * finer).to(x.dtype)
        if mean is not None:
            y -= (inverse * mean).to(x.dtype)
        y.floor_().mul_(rule.unit if weight is None else (weight * rule.unit).to(y.dtype))
        if bias is not None:
            y += bias
        center = torch.zeros_like(squares) if first is None else first / rule.features
        spread = (squares / rule.features - center.square()).clamp_(min=0)
        root = torch.rsqrt(spread.add_(rule.eps / rule.step**2))
        ctx.save_for_backward(x, center.to(x.dtype), root.to(x.dtype), weight)
        ctx.rule, ctx.biased = rule, bias is not None
        return y.to(rows.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, center, root, weight = ctx.saved_tensors
        rule: RowRule = ctx.rule
        g = grad.to(x.dtype).contiguous()
        # of the integers to that of the values: 1 / step, on the factors, of which there are few
        factor = x.new_full((rule.features,), 1 / rule.step) if weight is None else weight.to(x.dtype) / rule.step
        needs = [ctx.needs_input_grad[0], weight is not None, ctx.biased]
        if rule.fraction is not None:
            dx, dw, db = torch.ops.aten.native_layer_norm_backward(
                g, x, [rule.features], center, root, factor, torch.zeros_like(factor), needs
            )
        else:
            normal, scaled = x * root, g * factor
            dw = (g * normal).flatten(0, -2).sum(0) if needs[1] else None
            dx = (scaled - normal * (scaled * normal).mean(-1, keepdim=True)).mul_(root)
            db = None
        return (
            dx.to(grad.dtype) if needs[0] else None,
            dw.to(weight.dtype) if needs[1] else None,
            db.to(grad.dtype) if needs[2] else None,
            None,
        )
