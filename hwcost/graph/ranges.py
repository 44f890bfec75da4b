"""Integer ranges on wires: exact interval arithmetic, in float64, differentiable.

float64 holds every integer to 2^53, and keeps the price of a model the same whatever dtype it trains in. Ranges are
kept on the CPU wherever the network is: they are a handful of numbers, and gradients find their way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ste import ceil_log2


@dataclass(frozen=True, eq=False)
class Range:
    """The integers that a wire can carry: `low` to `high`, coded in `bits`.

    Attributes:
        low, high: smallest and largest integer; float64 on the CPU, () or one per channel, or one per weight.
        bits: width of the code; of the same shape. It is not always `bits_for(low, high)`: a bipolar wire
            (-1, +1) takes one bit.
    """

    low: Tensor
    high: Tensor
    bits: Tensor

    def __repr__(self) -> str:
        low, high, bits = (
            f"{float(least):.16g}" if least == most else f"{float(least):.16g}...{float(most):.16g}"
            for least, most in (number.detach().aminmax() for number in (self.low, self.high, self.bits))
        )
        return f"Range({low} to {high}, {bits} bits)" if self.known else "Range(unknown)"

    def __getstate__(self) -> dict[str, Tensor]:
        """State for pickle and deepcopy: the numbers without their gradient, which PyTorch refuses to copy."""
        return {name: number.detach() for name, number in vars(self).items()}

    def each(self, function: Callable[[Tensor], Tensor]) -> Range:
        """The range with its three tensors changed alike."""
        return Range(function(self.low), function(self.high), function(self.bits))

    def __copy__(self) -> Range:
        return replace(self)

    @property
    def known(self) -> bool:
        """Whether the wire has a width at all; see `unknown`."""
        return not bool(torch.isnan(self.bits).any())

    @property
    def signed(self) -> bool:
        """Whether any integer of the range is below zero."""
        return bool((self.low < 0).any())

    @property
    def bipolar(self) -> bool:
        """Whether the wire codes -1 and +1 in a single bit; two's complement of one bit, -1 and 0, does not."""
        return self.signed and bool(((self.bits == 1) & (self.high > 0)).all())

    @property
    def ternary(self) -> bool:
        """Whether the wire codes -1, 0 and +1, and nothing else, in two bits of two's complement."""
        return bool(((self.low == -1) & (self.high == 1) & (self.bits == 2)).all())


def _number(value: float | Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.cpu().to(torch.float64)  # in this order: some accelerators have no float64
    return torch.tensor(float(value), dtype=torch.float64)


def integers(bits: float | Tensor, *, signed: bool, narrow: bool = False) -> Range:
    """The range of a `bits`-wide integer: two's complement, or unsigned; `narrow` drops the lowest code.

    Args:
        bits: width, at least 1 (2 for signed narrow); any shape.
        signed: two's complement.
        narrow: symmetric signed range, e.g. -7..7 in 4 bits; unsigned ranges have nothing to drop.

    Returns:
        A Range of the shape of bits. Gradient to bits: that of 2^bits.

    >>> wire = integers(4, signed=True, narrow=True)
    >>> int(wire.low), int(wire.high)
    (-7, 7)
    """
    width = _number(bits)
    if not signed:
        return Range(torch.zeros_like(width), torch.exp2(width) - 1, width)
    half = torch.exp2(width - 1)
    return Range(-half + 1 if narrow else -half, half - 1, width)


def binary() -> Range:
    """Bipolar -1 and +1, one bit."""
    return Range(_number(-1), _number(1), _number(1))


def ternary() -> Range:
    """-1, 0 and +1, two bits."""
    return Range(_number(-1), _number(1), _number(2))


def unknown() -> Range:
    """A wire of no known width, e.g. a float input: only a quantizer accepts it, nothing prices it."""
    return Range(_number(float("nan")), _number(float("nan")), _number(float("nan")))


def bits_for(low: float | Tensor, high: float | Tensor) -> Tensor:
    """The smallest width whose two's complement (or unsigned, when low >= 0) code holds low..high.

    Args:
        low, high: whole numbers, low <= high, |value| < 2^53; broadcastable.

    Returns:
        Whole float64 widths, exact at powers of two too; at least 1. Gradient: that of the real log2.

    >>> int(bits_for(0, 8)), int(bits_for(-8, 7)), int(bits_for(-8, 8))
    (4, 4, 5)
    """
    below, above = _number(low), _number(high)
    # signed: 2^(b-1) >= -low and 2^(b-1) >= high + 1; unsigned: 2^b >= high + 1
    reach = torch.where(below < 0, torch.maximum(-below, above + 1), torch.clamp(above + 1, min=2))
    return ceil_log2(reach) + (below < 0)


def between(low: float | Tensor, high: float | Tensor) -> Range:
    """The Range low..high in its smallest code.

    Raises:
        BadOption: two numbers with the larger one first, or NaN.
    """
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= high:
        raise BadOption(f"range {low} to {high}: give the smaller number first")
    low, high = _number(low), _number(high)
    return Range(low, high, bits_for(low, high))


def _extremes(a: Range, b: Range) -> tuple[Tensor, Tensor]:
    """Smallest and largest product; a bilinear function is extreme at the corners."""
    corners = torch.stack([a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high])
    return corners.amin(0), corners.amax(0)


def product(a: Range, b: Range) -> Range:
    """Range of a product of two integers; exact."""
    return between(*_extremes(a, b))


def dot(inputs: Range, weights: Range, terms: int) -> Range:
    """The exact range of a sum of `terms` products: the width that an accumulator needs, no more and no less.

    Args:
        inputs: range of an input; (), or (terms,) in the order of the weights' last dimension.
        weights: range of a weight; () or (rows,) when all weights of a row share it, (rows, terms) when each has
            its own.
        terms: products in the sum, at least 1.

    Returns:
        Range of the accumulator, () or (rows,). Gradient: to both operands' bounds.

    Error: none; equal to brute force over every product (tests/test_ranges.py).
    """
    if terms < 1:
        raise BadOption(f"dot: a sum of {terms} products; give at least 1")
    each_term = weights.low.ndim == 2 or inputs.low.ndim == 1
    if not each_term:
        low, high = _extremes(inputs, weights)
        return between(low * terms, high * terms)
    rows = weights if weights.low.ndim != 1 else Range(weights.low[:, None], weights.high[:, None], weights.bits)
    low, high = _extremes(inputs, rows)
    if low.shape[-1] != terms:
        raise BadOption(f"dot: ranges for {low.shape[-1]} products, but {terms} in the sum")
    return between(low.sum(-1), high.sum(-1))


def add(a: Range, b: Range) -> Range:
    """Range of a sum of two integers of one scale; exact."""
    return between(a.low + b.low, a.high + b.high)


def join(*parts: Range) -> Range:
    """The smallest Range that holds every part, e.g. of streams concatenated into one wire."""
    if len(parts) == 1:
        return parts[0]
    if all(part.bipolar for part in parts):
        return parts[0]
    low = torch.stack([part.low.amin() for part in parts]).amin()
    high = torch.stack([part.high.amax() for part in parts]).amax()
    return between(low, high)


def widest(wire: Range) -> Range:
    """One Range for all channels of a shared stream: it is as wide as its widest channel."""
    if wire.low.ndim == 0:
        return wire
    return Range(wire.low.amin(), wire.high.amax(), wire.bits.amax())


def clip(wire: Range, to: Range) -> Range:
    """Range after saturation of `wire` into `to`; the code is that of `to`."""
    low = torch.minimum(torch.maximum(wire.low, to.low), to.high)
    high = torch.maximum(torch.minimum(wire.high, to.high), to.low)
    return Range(low, high, to.bits)


def bounded_sum(acc: Range, element: Range, positive: int, negative: int, total: int) -> Range:
    """An accumulator whose weights sum to at most `positive` and `negative`, and their magnitudes to `total`."""
    up, down = element.high.clamp(min=0), (-element.low).clamp(min=0)

    def largest(first: int, first_reach: Tensor, second: int, second_reach: Tensor) -> Tensor:
        both = first * first_reach + (total - first) * second_reach
        other = second * second_reach + (total - second) * first_reach
        return torch.maximum(both, other)

    high = largest(positive, up, negative, down)
    low = -largest(negative, up, positive, down)
    return between(torch.maximum(acc.low, low), torch.minimum(acc.high, high))
