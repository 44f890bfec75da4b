"""Reciprocals and reciprocal square roots of integers, from a table of the leading bits."""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block
from hwcost.graph.ste import with_gradient_of

KINDS = ("reciprocal", "rsqrt")


@dataclass(frozen=True)
class InverseTable:
    """1 / z or 1 / sqrt(z) of whole numbers z, by a table of what stands behind the leading one.

    z is shifted to the left until its highest bit stands where that of the largest one does; the bits behind it choose
    an entry, which is shifted to the left as far (for a square root half as far; an odd shift has entries of its own).

    Args:
        kind: "reciprocal" or "rsqrt".
        index_bits: bits behind the leading one that choose an entry; 0 rounds z down to a power of two.
        bits: of an entry.
        low, high: smallest and largest z, 1 <= low <= high.

    Raises:
        BadOption: another kind, a width out of range, a z below 1.

    Error: relative to the exact inverse at most 2^-(index_bits + 1) + 2^-bits (tests/graph/test_inverse.py).
    """

    kind: str
    index_bits: int
    bits: int
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadOption(f"InverseTable: kind={self.kind!r}; choose one of {', '.join(KINDS)}")
        if not (0 <= self.index_bits <= 12 and 1 <= self.bits <= 20):
            raise BadOption(
                f"InverseTable: index_bits={self.index_bits}, bits={self.bits}; give 0 to 12 and 1 to 20 bits"
            )
        if not 1 <= self.low <= self.high:
            raise BadOption(f"InverseTable: z from {self.low} to {self.high}; it must be at least 1")

    @property
    def top(self) -> int:
        """Place of the leading bit after the shift; even for a square root."""
        place = self.high.bit_length() - 1
        return place + place % 2 if self.kind == "rsqrt" else place

    @property
    def scale_bits(self) -> int:
        """The result is the inverse times 2^scale_bits."""
        return self.bits + (self.top // 2 if self.kind == "rsqrt" else self.top)

    @property
    def most_shift(self) -> int:
        """The longest shift: that of the smallest z."""
        return self.top - (self.low.bit_length() - 1)

    def entries(self) -> list[int]:
        """The table: 2^index_bits words; for a square root twice as many, those of odd shifts last."""
        middle = [1 + (m + 0.5) / 2**self.index_bits for m in range(2**self.index_bits)]
        if self.index_bits == 0:  # rounded down to a power of two
            middle = [1.0]
        largest = 2**self.bits - 1
        if self.kind == "reciprocal":
            return [min(round(2**self.bits / m), largest) for m in middle]
        even = [min(round(2**self.bits / sqrt(m)), largest) for m in middle]
        return even + [min(round(2**self.bits * sqrt(2 / m)), 2 * even[-1]) for m in middle]  # never rises with z

    @property
    def word_bits(self) -> int:
        """Bits of the widest entry."""
        return max(self.entries()).bit_length()

    def __call__(self, z: Tensor) -> Tensor:
        """The inverses.

        Args:
            z: int64, any shape, from low to high.

        Returns:
            int64 like z, `2**scale_bits` times the inverse; no gradient.
        """
        place = torch.frexp(z.double())[1].to(torch.int64) - 1
        shift = self.top - place
        table = torch.tensor(_entries(self), device=z.device)
        behind = (
            ((z << shift) >> (self.top - self.index_bits))
            if self.top >= self.index_bits
            else (z << (shift + self.index_bits - self.top))
        )
        index = behind - (1 << self.index_bits)
        if self.kind == "reciprocal":
            return table[index] << shift
        return table[index + ((shift % 2) << self.index_bits)] << (shift // 2)

    def range(self, z: Range) -> Range:
        """The integers that leave, for z of a range within low..high; the gradient of its bits is that of z's."""
        ends = self(torch.stack([z.high, z.low]).detach().to(torch.int64))
        bits = torch.tensor(float(int(ends[1]).bit_length()), dtype=torch.float64)
        slope = 0.5 if self.kind == "rsqrt" else 1.0
        return Range(ends[0].double(), ends[1].double(), with_gradient_of(bits, slope * z.bits))


@lru_cache(256)
def _entries(table: InverseTable) -> list[int]:
    """Entries of a table: training asks for the same one at every step."""
    return table.entries()


@dataclass(frozen=True, eq=False, kw_only=True)
class Inverse(Block):
    """A reciprocal or a reciprocal square root per vector, see `InverseTable`.

    Attributes:
        vectors: per inference.
        input, output: ranges; ().
        kind, index_bits, bits: of the table.
    """

    vectors: int
    input: Range
    output: Range
    kind: str
    index_bits: int
    bits: int
    channels: int = 1

    @property
    def table(self) -> InverseTable:
        """The table, for the present range of what enters."""
        low, high = (int(bound.detach()) for bound in (self.input.low, self.input.high))
        return InverseTable(self.kind, self.index_bits, self.bits, low, high)
