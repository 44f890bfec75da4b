"""Canonical signed digits: how many digits of a constant are not zero, and how many to expect of a width."""

from functools import cache

import torch
from torch import Tensor

TABLE_BITS = 16
"""Widths up to here are counted; above, the slope of the last step continues."""


def signed_digits(integers: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of +1 and of -1 in the canonical signed-digit form, the one with the fewest non-zero digits.

    Args:
        integers: int64, |value| < 2^60, any shape.

    Returns:
        Two bit masks, int64 like integers: integers = plus - minus, and no two neighbouring digits are both set.

    >>> plus, minus = signed_digits(torch.tensor([7, -5]))
    >>> plus.tolist(), minus.tolist()
    ([8, 0], [1, 5])
    """
    size = integers.abs()
    triple = 3 * size
    plus, minus = (triple & ~size) >> 1, (size & ~triple) >> 1
    return torch.where(integers < 0, minus, plus), torch.where(integers < 0, plus, minus)


@cache
def _counts() -> Tensor:
    """Digits of 0, 1, ... 2^TABLE_BITS - 1."""
    plus, minus = signed_digits(torch.arange(2**TABLE_BITS))
    rest = plus | minus
    return torch.stack([rest >> place & 1 for place in range(TABLE_BITS + 1)]).sum(0)


def count_digits(integers: Tensor) -> Tensor:
    """Digits that are not zero, int64 like integers: one adder input each.

    >>> count_digits(torch.tensor([0, 1, 3, -7, 11])).tolist()
    [0, 1, 2, 2, 3]
    """
    size = integers.abs()
    if not size.numel() or int(size.max()) < 2**TABLE_BITS:
        return _counts()[size]
    plus, minus = signed_digits(size)
    rest = plus | minus
    return torch.stack([rest >> place & 1 for place in range(63)]).sum(0)


@cache
def _table() -> tuple[Tensor, Tensor]:
    """Mean number of digits, and share of zeros, of all integers of a width: 0, 1, ... TABLE_BITS bits."""
    digits, zeros = [0.0, 0.5], [1.0, 0.5]  # no bit: always 0; one bit: 0 or one more value
    for bits in range(2, TABLE_BITS + 1):
        positive = count_digits(torch.arange(1, 2 ** (bits - 1)))
        codes = 2 * len(positive) + 1
        digits.append(2 * float(positive.sum()) / codes)
        zeros.append(1 / codes)
    return torch.tensor(digits, dtype=torch.float64), torch.tensor(zeros, dtype=torch.float64)


def expected_digits(bits: Tensor) -> Tensor:
    """Mean number of digits of a signed narrow weight that is equally likely to be any integer of its width.

    Args:
        bits: width, at least 0; any shape.

    Returns:
        float64 like bits; exact at whole widths up to 16, linear between them. Gradient: the slope towards the next
        width, above 0 everywhere.

    Error: none for weights that are spread evenly; bell-shaped ones, scaled by their largest, have fewer.
    Source: counted; about (3 bits + 1) / 9.

    >>> expected_digits(torch.tensor([0.0, 2.0, 8.0])).round(decimals=3).tolist()
    [0.0, 0.667, 2.784]
    """
    return _interpolated(bits, _table()[0])


def zero_share(bits: Tensor) -> Tensor:
    """Probability that a weight of this width is 0, under the same assumption; float64, 1 at no bits, falling to 0.

    Args:
        bits: width, at least 0; any shape.
    """
    return _interpolated(bits, _table()[1]).clamp(min=0)


def _interpolated(bits: Tensor, table: Tensor) -> Tensor:
    width = bits.to(torch.float64)
    low = width.detach().floor().clamp(0, TABLE_BITS - 1).to(torch.int64)
    start = table[low]
    return start + (width - low) * (table[low + 1] - start)
