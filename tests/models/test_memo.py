"""A memo changes when a value is computed, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from hwcost.models.memo import Memo


@pytest.mark.parametrize("most", [0, 1, 3, 100])
def test_values_are_those_of_the_function(most: int) -> None:
    source = random.Random(1)
    memo: Memo[int, int] = Memo(most)
    for _ in range(50):
        keys = [source.randrange(8) for _ in range(source.randrange(12))]
        assert memo.of(keys, lambda new, keys=keys: [keys[i] ** 2 for i in new]) == [key**2 for key in keys]  # type: ignore[misc] # bound now
        assert len(memo) <= most


def test_each_is_computed_once_and_the_oldest_is_forgotten() -> None:
    memo: Memo[str, str] = Memo(2)
    asked: list[list[str]] = []

    def of(keys: str) -> Sequence[str]:
        def compute(new: list[int]) -> list[str]:
            asked.append([keys[i] for i in new])
            return [keys[i].upper() for i in new]

        return memo.of(keys, compute)

    assert of("aba") == ["A", "B", "A"] and of("ba") == ["B", "A"]
    assert of("c") == ["C"] and of("b") == ["B"] and of("a") == ["A"]
    assert asked == [["a", "b"], ["c"], ["a"]]


def test_a_failed_computation_leaves_nothing_behind() -> None:
    memo: Memo[int, int] = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.of([1, 0], lambda new: [1 // key for key in (1, 0)])
    assert len(memo) == 0
