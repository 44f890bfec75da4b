"""Inverses by a table: within the stated error on every number, falling, and never out of the described range."""

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.graph.inverse import Inverse, InverseTable
from hwcost.graph.ranges import between

CASES = [
    (kind, index, bits, low, high)
    for kind in ("reciprocal", "rsqrt")
    for index, bits in ((0, 4), (3, 6), (5, 8), (8, 12), (6, 4))
    for low, high in ((1, 1), (1, 7), (3, 100), (255, 4096), (1, 5000), (1000, 1500))
]


@pytest.mark.parametrize(("kind", "index", "bits", "low", "high"), CASES)
def test_every_inverse_is_as_close_as_promised(kind: str, index: int, bits: int, low: int, high: int) -> None:
    table = InverseTable(kind, index, bits, low, high)
    z = torch.arange(low, high + 1)
    found = table(z)
    exact = 2.0**table.scale_bits / (z.double() if kind == "reciprocal" else z.double().sqrt())
    worst = float((found / exact - 1).abs().max())
    if index == 0:  # z is rounded down to a power of two
        assert bool((found >= exact * (1 - 2.0**-bits)).all()) and worst <= 1
    else:
        assert worst <= 2.0 ** -(index + 1) + 2.0**-bits
    assert bool((found[1:] <= found[:-1]).all())
    assert int(found.max()).bit_length() <= table.word_bits + table.most_shift // (1 + (kind == "rsqrt"))


@pytest.mark.parametrize("kind", ["reciprocal", "rsqrt"])
def test_the_described_range_is_that_of_all_numbers(kind: str) -> None:
    table = InverseTable(kind, 4, 6, 3, 900)
    found, wire = table(torch.arange(3, 901)), table.range(between(3, 900))
    assert (int(wire.low), int(wire.high)) == (int(found.min()), int(found.max()))
    assert int(wire.bits) == int(found.max()).bit_length()


def test_a_wider_sum_makes_a_wider_inverse() -> None:
    z = between(torch.tensor(3.0, dtype=torch.float64), torch.tensor(900.0, dtype=torch.float64, requires_grad=True))
    InverseTable("reciprocal", 4, 6, 3, 900).range(z).bits.backward()
    assert z.high.grad is not None and float(z.high.grad) > 0


def test_a_block_has_the_table_of_its_range() -> None:
    block = Inverse(vectors=2, input=between(5, 70), output=between(0, 1), kind="rsqrt", index_bits=3, bits=5)
    assert block.table == InverseTable("rsqrt", 3, 5, 5, 70)


@pytest.mark.parametrize(
    "given", [("root", 4, 6, 1, 9), ("rsqrt", 13, 6, 1, 9), ("rsqrt", 4, 0, 1, 9), ("rsqrt", 4, 6, 0, 9)]
)
def test_what_has_no_inverse_is_refused(given: tuple[str, int, int, int, int]) -> None:
    with pytest.raises(BadOption, match="InverseTable"):
        InverseTable(*given)
