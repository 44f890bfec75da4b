"""Sums of two terms that several rows of a constant matrix have in common: each is found once, the most frequent first.

Source: iterative pairwise matching of signed digits (Potkonjak et al., IEEE TCAD 1996; Hosangadi et al., 2005).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations
from typing import NamedTuple

Digits = dict[tuple[int, int], int]
"""(term, shift) -> sign, of a sum of shifted terms."""


class Pair(NamedTuple):
    """The sum first + sign * second * 2^shift of two terms, shift at least 0."""

    first: int
    second: int
    shift: int
    sign: int


class Plan(NamedTuple):
    """The additions that make the rows of a matrix.

    Attributes:
        pairs: new terms, each of terms before it; the first of them has the number of columns as its number.
        rows: the digits of each row, of columns and of new terms.
    """

    pairs: list[Pair]
    rows: list[Digits]

    @property
    def adders(self) -> int:
        """Adders of all pairs and rows."""
        return len(self.pairs) + sum(max(0, len(row) - 1) for row in self.rows)


def shared(rows: Sequence[Digits], columns: int) -> Plan:
    """Extract the pair that occurs most often, again and again, until none occurs twice.

    Args:
        rows: of the matrix; the columns are the terms 0 to `columns` - 1.
        columns: number of them.
    """
    left = [dict(row) for row in rows]
    places: dict[Pair, Counter[int]] = {}
    for at, row in enumerate(left):
        for one, other in combinations(row, 2):
            _count(places, _pair(row, one, other), at, 1)
    heap = [(-count, pair) for pair, found in places.items() if (count := found.total()) > 1]
    heapify(heap)
    pairs: list[Pair] = []
    while heap:
        count, pair = heappop(heap)
        known = places.get(pair, Counter()).total()
        if known < 2 or known != -count:
            if known > 1:
                heappush(heap, (-known, pair))
            continue
        found = [(at, list(_occurrences(left[at], pair))) for at in sorted(places[pair])]
        if sum(len(ones) for _, ones in found) < 2:  # they overlap, as 1010101 of x + 4x
            del places[pair]
            continue
        term = columns + len(pairs)
        pairs.append(pair)
        touched = set()
        for at, ones in found:
            for one, other in ones:
                touched |= _replace(left[at], places, at, (one, other), term)
        for changed in touched:
            if (times := places[changed].total()) > 1:
                heappush(heap, (-times, changed))
    return Plan(pairs, left)


def _pair(row: Digits, one: tuple[int, int], other: tuple[int, int]) -> Pair:
    (first, low), (second, high) = sorted((one, other), key=lambda digit: digit[::-1])
    return Pair(first, second, high - low, row[one] * row[other])


def _count(places: dict[Pair, Counter[int]], pair: Pair, at: int, change: int) -> None:
    """Note a row that has a pair once more, or once less."""
    found = places.setdefault(pair, Counter())
    found[at] += change
    if not found[at]:
        del found[at]


def _occurrences(row: Digits, pair: Pair) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The digits of a row that make a pair, none of them twice."""
    used: set[tuple[int, int]] = set()
    for one in sorted(digit for digit in row if digit[0] == pair.first):
        other = (pair.second, one[1] + pair.shift)
        if other not in row or one in used or other in used or _pair(row, one, other) != pair:
            continue
        used |= {one, other}
        yield one, other


def _replace(
    row: Digits,
    places: dict[Pair, Counter[int]],
    at: int,
    digits: tuple[tuple[int, int], tuple[int, int]],
    term: int,
) -> set[Pair]:
    """Put a new term in the place of two digits of a row; return the pairs that it makes with the others."""
    new = (term, digits[0][1])
    sign = row[digits[0]]
    for gone in digits:
        for digit in row:
            if digit != gone:
                _count(places, _pair(row, gone, digit), at, -1)
        del row[gone]
    row[new] = sign
    found = {_pair(row, new, digit) for digit in row if digit != new}
    for digit in row:
        if digit != new:
            _count(places, _pair(row, new, digit), at, 1)
    return found
