"""Signed digits against brute force."""

from __future__ import annotations

from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st

from hwcost.models.unrolled.signed_digits import count_digits, expected_digits, signed_digits, zero_share


def fewest_digits(limit_bits: int) -> dict[int, int]:
    """The least number of digits -1, 0, +1 that any form of a number has: every form of that many places tried."""
    best: dict[int, int] = {}
    for form in product((-1, 0, 1), repeat=limit_bits):
        value = sum(digit << place for place, digit in enumerate(form))
        used = sum(map(abs, form))
        best[value] = min(best.get(value, used), used)
    return best


def test_no_form_has_fewer_digits() -> None:
    best = fewest_digits(9)
    numbers = torch.arange(-127, 128)
    assert count_digits(numbers).tolist() == [best[int(n)] for n in numbers]


@given(st.integers(-(2**40), 2**40))
def test_the_digits_are_the_number(number: int) -> None:
    plus, minus = (int(mask) for mask in signed_digits(torch.tensor(number)))
    assert plus - minus == number
    assert plus & minus == 0
    assert (plus | minus) & ((plus | minus) >> 1) == 0


def test_expectation_is_the_mean_over_all_codes() -> None:
    best = fewest_digits(9)
    for bits in range(2, 9):
        reach = 2 ** (bits - 1) - 1
        codes = [best[n] for n in range(-reach, reach + 1)]
        assert expected_digits(torch.tensor(bits)).item() == sum(codes) / len(codes)
        assert zero_share(torch.tensor(bits)).item() == 1 / len(codes)


def test_expectation_rises_and_its_slope_lives() -> None:
    bits = torch.linspace(0, 32, 257, dtype=torch.float64, requires_grad=True)
    digits = expected_digits(bits)
    assert (digits.diff() > 0).all()
    assert (torch.autograd.grad(digits.sum(), bits)[0] > 0.1).all()
    share = zero_share(bits)
    assert share[0] == 1 and (share.diff() <= 0).all() and (share >= 0).all()
