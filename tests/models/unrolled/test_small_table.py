"""Rows of a constant matrix that a LUT can look up whole."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.models.calibration.corpus import wire
from hwcost.models.unrolled.small_table import Bits, few_bits, luts, truth_tables


@settings(deadline=None, max_examples=60)
@given(
    weights=st.lists(st.integers(-127, 127).filter(bool), min_size=1, max_size=3),
    bits=st.sampled_from(["UINT1", "UINT2", "INT2", "BIPOLAR"]),
)
def test_tables_are_the_sums(weights: list[int], bits: str) -> None:
    codes = Bits.of(wire(bits))
    tables = truth_tables(tuple(weights), codes)
    low = min(codes.values())
    for chosen in itertools.product(range(2**codes.width), repeat=len(weights)):
        place = sum(code << codes.width * index for index, code in enumerate(chosen))
        found = sum((table >> place & 1) << bit for bit, table in enumerate(tables))
        wanted = sum(weight * int(codes.values()[code]) for weight, code in zip(weights, chosen, strict=True))
        signed = low < 0 or min(weights) < 0
        assert (found - (found >> len(tables) - 1 << len(tables)) if signed and wanted < 0 else found) == wanted


def test_only_rows_of_few_bits_are_tables() -> None:
    matrix = torch.tensor([[1, 2, 3, 0], [1, 2, 3, 4], [0, 0, 0, 0]])
    assert few_bits(matrix, Bits(2, 0, 3)).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[4]], 0),  # a wire
        ([[-1]], 0),  # one bit, with its copy for the sign
        ([[1, 1]], 2),  # XOR and AND
        ([[1, 2]], 0),  # two wires side by side
        ([[1, 1], [1, 1]], 2),  # the same for both
        ([[0, 0]], 0),
    ],
)
def test_wires_and_what_rows_share_are_free(matrix: list[list[int]], expected: int) -> None:
    assert luts(torch.tensor(matrix), Bits(1, 0, 1))[0] == expected
