"""The smooth law in python numbers: for a handful of blocks faster than any tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log
from types import SimpleNamespace
from typing import Any

from hwcost.models.formulas.relax import STAGES_AHEAD, Ports, Quantity

LN2 = log(2)


class Slope:
    """A number with its derivatives to the widths of a block.

    Args:
        value: the number; parts: its derivatives.
    """

    __slots__ = ("parts", "value")

    def __init__(self, value: float, parts: tuple[float, ...]) -> None:
        self.value, self.parts = value, parts

    def __add__(self, other: Any) -> Slope:
        if isinstance(other, Slope):
            return Slope(self.value + other.value, tuple([a + b for a, b in zip(self.parts, other.parts, strict=True)]))
        return Slope(self.value + other, self.parts)

    __radd__ = __add__

    def __neg__(self) -> Slope:
        return Slope(-self.value, tuple([-a for a in self.parts]))

    def __sub__(self, other: Any) -> Slope:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Slope:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Slope:
        x = self.value
        if isinstance(other, Slope):
            y = other.value
            return Slope(x * y, tuple([a * y + b * x for a, b in zip(self.parts, other.parts, strict=True)]))
        return Slope(x * other, tuple([a * other for a in self.parts]))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Slope:
        if isinstance(other, Slope):
            return self.__mul__(other._inverse())
        return Slope(self.value / other, tuple([a / other for a in self.parts]))

    def __rtruediv__(self, other: float) -> Slope:
        return self._inverse().__mul__(other)

    def _inverse(self) -> Slope:
        scale = -1 / self.value**2
        return Slope(1 / self.value, tuple([a * scale for a in self.parts]))

    __hash__ = None  # type: ignore[assignment] # equal by value, like a tensor

    def __eq__(self, other: object) -> bool:
        return bool(self.value == _value(other))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < _value(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= _value(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > _value(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= _value(other))


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Slope) else x


class SmoothNumbers:
    """As `relax.Smooth`, on a `Slope` per width and python numbers."""

    def ceil(self, x: Quantity) -> Quantity:
        return x

    def ceil_fixed(self, x: Quantity) -> Quantity:
        return ceil(x)

    def floor(self, x: Quantity) -> Quantity:
        return x

    def ceil_log2(self, x: Quantity) -> Quantity:
        return (int(x) - 1).bit_length()

    def exp2(self, x: Quantity) -> Quantity:
        if not isinstance(x, Slope):
            return 2.0**x
        power = 2.0**x.value
        return Slope(power, tuple([a * power * LN2 for a in x.parts]))

    def minimum(self, a: Quantity, b: Quantity) -> Quantity:
        return a if a < b else b

    def maximum(self, a: Quantity, b: Quantity) -> Quantity:
        return b if a < b else a

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        return width * min(ceil(depth / words) / bits for bits, words in ports)

    def where(self, condition: Quantity, a: Quantity, b: Quantity) -> Quantity:
        return a if condition else b

    def special(self, condition: Quantity) -> Quantity:
        return False

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        total: Quantity = 0.0
        for stage in range(int(bits.value) + STAGES_AHEAD):
            ahead = bits - stage
            if ahead.value > 0.5:
                built: Quantity = 1.0
            elif ahead.value > -0.5:
                built = ahead + 0.5
            else:
                built = 0.0
            if ahead.value < 0:
                built = built + 0.1 * self.exp2(2 * ahead)
            total = total + term(stage) * built
        return total


SMOOTH_NUMBERS = SmoothNumbers()


def slopes(
    law: Callable[..., dict[str, Quantity]], widths: Sequence[float], geometry: dict[str, float], setting: Any
) -> dict[str, tuple[float, ...]]:
    """Derivatives of the smooth law of one block to its widths.

    Args:
        law: (arithmetic, widths, geometry, setting) -> quantity per name.
        widths: whole, in bits.
        geometry: everything else that the law depends on.
        setting: what all blocks share.

    Returns:
        Name -> one derivative per width; equal to autograd on `relax.SMOOTH` but for the order of float additions.
    """
    count = len(widths)
    axes = [Slope(width, tuple([float(i == j) for j in range(count)])) for i, width in enumerate(widths)]
    found = law(SMOOTH_NUMBERS, axes, SimpleNamespace(**geometry), setting)
    none = (0.0,) * count
    return {name: quantity.parts if isinstance(quantity, Slope) else none for name, quantity in found.items()}
