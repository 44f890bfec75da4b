"""Dot products with constants that see no more input bits than a LUT has: a truth table for every bit of the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from hwcost.graph.ranges import Range, widest

LUT_INPUTS = 6
"""Inputs of a LUT of the 7 series, UltraScale and UltraScale+."""

REMEMBERED = 2**14
"""Tables kept: from one training step to the next few weights change."""


@dataclass(frozen=True)
class Bits:
    """Codes of an input: how many bits, whether signed, and what they stand for.

    Attributes:
        width, low, high: as in a `Range`.
        bipolar: one bit, 0 for -1 and 1 for +1.
    """

    width: int
    low: int
    high: int
    bipolar: bool = False

    @classmethod
    def of(cls, inputs: Range) -> Bits:
        """Take the widest channel of a wire; a width between two whole ones is rounded up."""
        one = widest(inputs)
        width, low, high = (int(bound.detach().ceil()) for bound in (one.bits, one.low, one.high))
        return cls(width, low, high, bool(one.bipolar))

    def values(self) -> np.ndarray:
        """The value of every code."""
        codes = np.arange(2**self.width)
        if self.bipolar:
            return 2 * codes - 1
        return np.where(codes >= 2**self.width // 2, codes - 2**self.width, codes) if self.low < 0 else codes


def few_bits(matrix: Tensor, bits: Bits) -> Tensor:
    """Rows of a constant matrix that see no more input bits than a LUT has: they are tables, not trees."""
    return (matrix != 0).sum(1) * bits.width <= LUT_INPUTS


@lru_cache(REMEMBERED)
def truth_tables(weights: tuple[int, ...], bits: Bits) -> tuple[int, ...]:
    """Every bit of a dot product, lowest first, as a number: its bit i is the result for the joined input codes i.

    Args:
        weights: not 0, of the inputs in order, the first in the lowest bits.
        bits: of every input.

    >>> [f"{mask:04b}" for mask in truth_tables((1, 1), Bits(1, 0, 1))]
    ['0110', '1000']
    """
    sums = np.zeros(1, dtype=np.int64)
    for weight in weights:
        sums = (sums[None, :] + weight * bits.values()[:, None]).reshape(-1)
    low, high = int(sums.min()), int(sums.max())
    width = high.bit_length() if low >= 0 else max((-low - 1).bit_length(), high.bit_length()) + 1
    return tuple(sum(1 << int(code) for code in (sums >> bit & 1).nonzero()[0]) for bit in range(width))


def luts(matrix: Tensor, bits: Bits) -> tuple[int, int]:
    """LUTs of rows that are tables, and bits of their results that differ.

    A bit that is an input or never changes has no LUT; what two rows have in common has one.

    Args:
        matrix: int64 (rows, cols); every row has few bits, see `few_bits`.
        bits: of every column.

    Error: equal to Yosys on 5 units of such rows alone (tests/synth/test_yosys.py).
    """
    built: set[tuple[tuple[tuple[int, int], ...], int]] = set()
    width = 0
    for row in matrix.tolist():
        columns = [column for column, weight in enumerate(row) if weight]
        tables = truth_tables(tuple(row[column] for column in columns), bits)
        width += len(set(tables) - {0})
        wires = [(column, bit) for column in columns for bit in range(bits.width)]
        built.update(_needed(wires, tables))
    return len(built), width


def _needed(wires: list[tuple[int, int]], tables: Iterable[int]) -> Iterable[tuple[tuple[tuple[int, int], ...], int]]:
    """Every table with the inputs that it depends on, but for constants and wires."""
    for whole in tables:
        places, mask = _reduced(whole, len(wires))
        if len(places) > 1 or (len(places) == 1 and mask == 0b01):  # one input turned is a LUT, straight it is a wire
            yield tuple(wires[place] for place in places), mask


@lru_cache(REMEMBERED)
def _reduced(mask: int, inputs: int) -> tuple[tuple[int, ...], int]:
    """The inputs that a table depends on, and the table of these alone."""
    places = list(range(inputs))
    for place in reversed(range(inputs)):
        off, on = _halves(mask, place, 2 ** len(places))
        if off == on:
            mask = off
            del places[place]
    return tuple(places), mask


def _halves(mask: int, place: int, size: int) -> tuple[int, int]:
    """The table without one of its inputs: as it is where that is 0, and where it is 1."""
    halves = [0, 0]
    seen = [0, 0]
    for code in range(size):
        side = code >> place & 1
        halves[side] |= (mask >> code & 1) << seen[side]
        seen[side] += 1
    return halves[0], halves[1]
