"""Widths: their values, their bounds, and the gradients that lead back inside."""

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant import ConstBits, LearnedBits, Restrict


@pytest.mark.parametrize("bits", [0, 33, 4.0, True, "8"])
def test_a_constant_width_is_a_whole_number_of_bits(bits: object) -> None:
    with pytest.raises(BadOption, match="1 to 32"):
        ConstBits(bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"bits": 1}, {"bits": 17}, {"bits": 8, "base": 9}, {"bits": 8, "most": 40}])
def test_a_learned_width_lies_between_its_bounds(options: dict[str, int]) -> None:
    with pytest.raises(BadOption, match="0 <= base <= bits <= most"):
        LearnedBits(**options)


def test_powers_of_two_need_bounds_that_are_powers_of_two() -> None:
    with pytest.raises(BadOption, match="powers of two"):
        LearnedBits(8, base=3, restrict=Restrict.POW2)


@pytest.mark.parametrize("restrict", list(Restrict))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_width_beyond_its_bound_receives_only_what_narrows_it(restrict: Restrict, sign: float) -> None:
    for wanted in (1.0, -1.0):
        bits = LearnedBits(4, base=2, most=8, restrict=restrict)
        bits.offset.data.fill_(sign * 20)
        width = bits()
        assert float(width.detach()) == 8
        (width * wanted).backward()
        moved = float(bits.offset.grad) * sign  # type: ignore[arg-type] # it has one
        assert moved > 0 if wanted > 0 else moved == 0


@pytest.mark.parametrize("restrict", list(Restrict))
def test_a_width_comes_back_from_beyond_its_bound(restrict: Restrict) -> None:
    bits = LearnedBits(4, base=2, most=8, restrict=restrict)
    bits.offset.data.fill_(12.0)
    optimizer = torch.optim.Adam(bits.parameters(), lr=0.2)
    for _ in range(120):
        optimizer.zero_grad()
        (bits() - 4).square().backward()
        optimizer.step()
    assert float(bits().detach()) == pytest.approx(4, abs=0.5)


@pytest.mark.parametrize("restrict", list(Restrict))
def test_no_width_freezes_at_its_floor(restrict: Restrict) -> None:
    bits = LearnedBits(2, base=2, restrict=restrict)
    bits().backward()
    assert float(bits.offset.grad) > 0  # type: ignore[arg-type] # it has one


def test_a_learned_width_prints_what_it_is_now() -> None:
    bits = LearnedBits(6, base=2)
    assert repr(bits).startswith("LearnedBits(now 6, base=2, ")
    rows = LearnedBits(6, base=2, shape=(2,))
    with torch.no_grad():
        rows.offset.copy_(torch.tensor([1.0, 3.0]))
    assert repr(rows).startswith("LearnedBits(now 3 to 5, ")
    assert repr(LearnedBits(6).to("meta")).startswith("LearnedBits(base="), "a width without a number"
