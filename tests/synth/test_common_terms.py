"""Sums that rows have in common: the plan means the same matrix, and needs fewer adders."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was built; pip install 'hwcost[synth]'")

from hwcost.synth.common_terms import Digits, Pair, Plan, shared
from hwcost.synth.constant import digits


def _rows(matrix: list[list[int]]) -> list[Digits]:
    return [{(j, shift): sign for j, weight in enumerate(row) for shift, sign in digits(weight)} for row in matrix]


def _meant(plan: Plan, columns: int) -> list[list[int]]:
    """The matrix that a plan adds up."""
    terms = [[int(j == k) for k in range(columns)] for j in range(columns)]
    for pair in plan.pairs:
        left, right = terms[pair.first], terms[pair.second]
        terms.append([a + pair.sign * (b << pair.shift) for a, b in zip(left, right, strict=True)])
    rows = []
    for row in plan.rows:
        whole = [0] * columns
        for (term, shift), sign in row.items():
            whole = [a + sign * (b << shift) for a, b in zip(whole, terms[term], strict=True)]
        rows.append(whole)
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_the_plan_means_the_matrix_and_saves_adders(seed: int) -> None:
    random = Random(seed)
    rows, columns, most = random.randrange(1, 17), random.randrange(1, 17), random.choice((1, 7, 127))
    matrix = [[random.choice((0, random.randint(-most, most))) for _ in range(columns)] for _ in range(rows)]
    plan = shared(_rows(matrix), columns)
    assert _meant(plan, columns) == matrix
    apart = sum(max(0, len(row) - 1) for row in _rows(matrix))
    assert plan.adders == apart if not plan.pairs else plan.adders < apart


def test_what_occurs_twice_is_built_once() -> None:
    plan = shared(_rows([[1, 1, 0], [2, 2, 1], [-1, -1, 1]]), 3)
    assert plan.pairs == [Pair(0, 1, 0, 1)]
    assert plan.rows == [{(3, 0): 1}, {(2, 0): 1, (3, 1): 1}, {(2, 0): 1, (3, 0): -1}]
    assert plan.adders == 3


def test_digits_that_overlap_are_counted_once() -> None:
    plan = shared([{(0, 0): 1, (0, 2): 1, (0, 4): 1}], 1)  # x + 4x + 16x: two pairs share a digit
    assert plan.pairs == [] and plan.adders == 2
    plan = shared([{(0, shift): 1 for shift in (0, 2, 4, 6)}], 1)
    assert plan.pairs[0] == Pair(0, 0, 2, 1) and _meant(plan, 1) == [[85]] and plan.adders == 2


def test_equal_rows_cost_one() -> None:
    matrix = [[3, -5, 7, 1]] * 3
    assert shared(_rows(matrix), 4).adders == sum(len(row) for row in _rows(matrix[:1])) - 1
