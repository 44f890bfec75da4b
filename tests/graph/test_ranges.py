"""Exact ranges, held against brute force over every code."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwcost.errors import BadOption
from hwcost.graph import ranges

OPERANDS = {
    "u1": (0, 1), "u2": (0, 3), "u3": (0, 7), "u4": (0, 15), "s2": (-2, 1), "s2n": (-1, 1), "s3": (-4, 3),
    "s3n": (-3, 3), "s4": (-8, 7), "s4n": (-7, 7), "bipolar": (-1, 1),
}  # fmt: skip


def _range(name: str) -> ranges.Range:
    if name == "bipolar":
        return ranges.binary()
    return ranges.integers(int(name[1]), signed=name[0] == "s", narrow=name.endswith("n"))


def _fits(low: int, high: int, bits: int) -> bool:
    return (0 <= low and high < 2**bits) or (-(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1))


def _smallest_width(low: int, high: int) -> int:
    return next(bits for bits in range(1, 80) if _fits(low, high, bits))


@pytest.mark.parametrize("a", OPERANDS)
@pytest.mark.parametrize("w", OPERANDS)
@pytest.mark.parametrize("terms", [1, 2, 3, 5, 8, 9, 16])
def test_dot_is_the_exact_range_and_the_smallest_width(a: str, w: str, terms: int) -> None:
    codes = [
        [x for x in range(low, high + 1) if name != "bipolar" or x]
        for name, (low, high) in ((a, OPERANDS[a]), (w, OPERANDS[w]))
    ]
    products = [x * y for x, y in product(*codes)]
    low, high = terms * min(products), terms * max(products)
    got = ranges.dot(_range(a), _range(w), terms)
    assert (got.low.item(), got.high.item()) == (low, high)
    assert got.bits.item() == _smallest_width(low, high)


def test_dot_with_a_range_per_weight_sums_each_term() -> None:
    bits = torch.tensor([[2.0, 4.0, 8.0], [3.0, 3.0, 3.0]])
    got = ranges.dot(_range("u3"), ranges.integers(bits, signed=True), 3)
    assert got.low.tolist() == [-(2 + 8 + 128) * 7, -4 * 3 * 7]
    assert got.high.tolist() == [(1 + 7 + 127) * 7, 3 * 3 * 7]


def test_dot_refuses_an_empty_or_mismatched_sum() -> None:
    with pytest.raises(BadOption, match="0 products"):
        ranges.dot(_range("u3"), _range("s3"), 0)
    with pytest.raises(BadOption, match="2 products, but 5"):
        ranges.dot(_range("u3"), ranges.integers(torch.ones(1, 2) * 3, signed=True), 5)


@given(st.integers(-(2**50), 2**50), st.integers(0, 2**50))
def test_bits_for_is_the_smallest_width(low: int, span: int) -> None:
    assert ranges.bits_for(low, low + span).item() == _smallest_width(low, low + span)


@pytest.mark.parametrize("bits", range(1, 53))
def test_bits_for_at_powers_of_two(bits: int) -> None:
    assert ranges.bits_for(0, 2**bits - 1).item() == bits
    assert ranges.bits_for(0, 2**bits).item() == bits + 1
    assert ranges.bits_for(-(2**bits), 2**bits - 1).item() == bits + 1
    assert ranges.bits_for(-(2**bits) - 1, 0).item() == bits + 2


def test_gradient_of_an_accumulator_width_is_that_of_the_real_logarithm() -> None:
    a, w = torch.tensor(4.0, requires_grad=True), torch.tensor(4.0, requires_grad=True)
    ranges.dot(ranges.integers(a, signed=False), ranges.integers(w, signed=True, narrow=True), 64).bits.backward()
    assert a.grad is not None and w.grad is not None
    # |low| = 15 * 7 * 64 bounds the width, or high + 1 = 6721; d log2(high + 1) / d width
    assert a.grad.item() == pytest.approx(64 * 7 * 16 / 6721, rel=1e-6)
    assert w.grad.item() == pytest.approx(64 * 15 * 8 / 6721, rel=1e-6)


def test_add_join_clip() -> None:
    assert ranges.add(_range("u4"), _range("u4")).bits == 5
    assert ranges.add(_range("u4"), _range("s4")).bits == 6
    joined = ranges.join(_range("u4"), _range("s3"))
    assert (joined.low, joined.high, joined.bits) == (-4, 15, 5)
    assert ranges.join(_range("bipolar"), _range("bipolar")).bits == 1
    clipped = ranges.clip(_range("u4"), _range("s4"))
    assert (clipped.low, clipped.high, clipped.bits) == (0, 7, 4)


def test_the_widest_channel_sets_a_shared_stream() -> None:
    wire = ranges.widest(ranges.integers(torch.tensor([2.0, 5.0, 3.0]), signed=True))
    assert (wire.low, wire.high, wire.bits) == (-16, 15, 5)


def test_unknown_is_not_known() -> None:
    assert not ranges.unknown().known
    assert _range("u4").known and not _range("u4").signed and _range("bipolar").bipolar


def test_ternary_wires_have_three_codes() -> None:
    assert ranges.ternary().ternary and ranges.integers(2, signed=True, narrow=True).ternary
    two, mixed = ranges.integers(2, signed=True), ranges.integers(torch.tensor([2.0, 3.0]), signed=True, narrow=True)
    assert not any(wire.ternary for wire in (two, mixed, _range("bipolar"), ranges.unknown()))


@pytest.mark.parametrize(("low", "high"), [(5, 1), (0.5, -0.5), (float("nan"), 1), (0, float("nan"))])
def test_a_range_upside_down_is_refused(low: float, high: float) -> None:
    with pytest.raises(BadOption, match="smaller number first"):
        ranges.between(low, high)


def test_a_range_prints_its_integers() -> None:
    assert repr(ranges.integers(8, signed=True, narrow=True)) == "Range(-127 to 127, 8 bits)"
    low, high, bits = torch.tensor([[-8.0, -2.0], [7.0, 1.0], [4.0, 2.0]], dtype=torch.float64)
    assert repr(ranges.Range(low, high, bits)) == "Range(-8...-2 to 1...7, 2...4 bits)"
    assert repr(ranges.unknown()) == "Range(unknown)"
