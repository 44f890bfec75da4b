"""A tensor that knows its integers: value, scale and range, with the seed's arithmetic made exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, add, between, integers, product
from hwcost.graph.ste import round_ste, with_gradient_of


@dataclass(frozen=True, eq=False)
class QuantTensor:
    """Values that are whole multiples of a scale. Optional: layers take plain tensors too.

    Attributes:
        value: the real values, any shape.
        scale: value of one integer step; () or broadcastable to value.
        range: the integers that value / scale can take; its bits are the width.
    """

    value: Tensor
    scale: Tensor
    range: Range

    @classmethod
    def of(cls, value: Tensor, scale: Tensor, bit_width: float | Tensor, *, signed: bool) -> Self:
        """Build one from a width instead of a range, as in early Brevitas.

        Args:
            value, scale: as the attributes.
            bit_width: in bits, at least 1; gradients flow through it.
            signed: two's complement, or unsigned.
        """
        return cls(value, scale, integers(bit_width, signed=signed))

    @property
    def bit_width(self) -> Tensor:
        """Width in bits, float64, differentiable."""
        return self.range.bits

    @property
    def signed(self) -> bool:
        """Whether any integer can be below zero."""
        return self.range.signed

    def int(self) -> Tensor:
        """The integers, as whole floats like value; the gradient passes through the rounding."""
        return round_ste(self.value / self.scale)

    def codes(self) -> Tensor:
        """The integers as int64, without gradient."""
        return torch.round(self.value.detach().double() / self.scale.detach().double()).to(torch.int64)

    def _with_scale_of(self, other: QuantTensor, what: str) -> None:
        mine, theirs = self.scale.detach(), other.scale.detach().to(self.scale)
        if not torch.allclose(mine, theirs, rtol=1e-5, atol=0.0):
            raise BadOption(
                f"QuantTensor: {what} of unequal scales; quantize both operands with one quantizer or a shared scale"
            )

    def __neg__(self) -> QuantTensor:
        return QuantTensor(-self.value, self.scale, between(-self.range.high, -self.range.low))

    def __pos__(self) -> QuantTensor:
        return self

    def __abs__(self) -> QuantTensor:
        low, high = self.range.low, self.range.high
        inner = torch.where((low <= 0) & (high >= 0), torch.zeros_like(low), torch.minimum(low.abs(), high.abs()))
        return QuantTensor(self.value.abs(), self.scale, between(inner, torch.maximum(low.abs(), high.abs())))

    def __add__(self, other: QuantTensor) -> QuantTensor:
        self._with_scale_of(other, "sum")
        return QuantTensor(self.value + other.value, self.scale, add(self.range, other.range))

    def __sub__(self, other: QuantTensor) -> QuantTensor:
        return self + (-other)

    def __mul__(self, other: QuantTensor) -> QuantTensor:
        return QuantTensor(self.value * other.value, self.scale * other.scale, product(self.range, other.range))

    def __truediv__(self, other: QuantTensor) -> QuantTensor:
        """Whole-number division, towards zero: the quotient lies on a grid again (early Brevitas' did not)."""
        quotient = self.int() / other.int()
        whole = with_gradient_of(torch.trunc(quotient), quotient)
        reach = torch.maximum(self.range.low.abs(), self.range.high.abs())
        low = -reach if self.signed or other.signed else torch.zeros_like(reach)
        scale = self.scale / other.scale
        return QuantTensor(whole * scale, scale, between(low, reach))

    def detach(self) -> QuantTensor:
        """The same without gradients."""
        return QuantTensor(self.value.detach(), self.scale.detach(), self.range.each(Tensor.detach))
