"""Weights whose sums are bounded: no input overflows the accumulator, and as much as possible is kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant import BoundedQuantizer, ConstScale, LearnedBits, StatScale, abs_max
from hwcost.quant.bounded import METHODS, l1_limit


def bounded(acc_bits: int = 10, input_bits: int = 4, **options: Any) -> BoundedQuantizer:
    scale = StatScale(abs_max, channel_dim=0)
    return BoundedQuantizer(bits=6, scale=scale, acc_bits=acc_bits, input_bits=input_bits, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("signed", "centered"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("acc_bits", [6, 9, 12])
def test_the_worst_input_does_not_overflow(acc_bits: int, signed: bool, centered: bool, method: str) -> None:
    torch.manual_seed(0)
    quantizer = bounded(acc_bits, input_signed=signed, centered=centered, method=method)
    codes = quantizer.integers(torch.randn(16, 40))
    low, high = (-8, 7) if signed else (0, 15)
    most = torch.where(codes > 0, codes * high, codes * low).sum(1)
    least = torch.where(codes > 0, codes * low, codes * high).sum(1)
    assert -(2 ** (acc_bits - 1)) <= int(least.min()) and int(most.max()) < 2 ** (acc_bits - 1)
    above, below, both = quantizer.l1_bound()
    assert int(codes.clamp(min=0).sum(1).max()) <= above and int((-codes).clamp(min=0).sum(1).max()) <= below
    assert int(codes.abs().sum(1).max()) <= both
    assert method == "scale" or bool(codes.any())  # a common factor may round every weight to 0


def test_limits_of_a2q_and_a2q_plus() -> None:
    assert l1_limit(16, 8) == (2**15 - 1) / 2**8 and l1_limit(16, 8, input_signed=True) == (2**15 - 1) / 2**7
    assert l1_limit(16, 8, centered=True) == (2**16 - 2) / (2**8 - 1)
    assert bounded(16, 8).limit == l1_limit(16, 8)


def test_weights_within_the_limit_are_rounded_towards_zero_only() -> None:
    quantizer = BoundedQuantizer(bits=4, scale=ConstScale(7.0), acc_bits=20, input_bits=4)
    weight = torch.tensor([[7.0, -6.9, 0.9], [2.5, -0.1, 99.0]])
    assert quantizer.integers(weight).tolist() == [[7, -6, 0], [2, 0, 7]]


@pytest.mark.parametrize(("method", "codes"), [("subtract", [7, 0, 0, 0]), ("scale", [4, 1, 0, 0])])
def test_large_weights_survive_a_subtraction(method: str, codes: list[int]) -> None:
    """Of a sum of 20, 7.75 are left: 4.25 are taken off the largest and the rest is gone, or all are scaled by 0.39."""
    quantizer = BoundedQuantizer(bits=5, scale=ConstScale(15.0), acc_bits=6, input_bits=2, method=method)
    assert quantizer.limit == 7.75
    assert quantizer.integers(torch.tensor([[12.0, 4.0, 2.0, 2.0]])).tolist() == [codes]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acc_bits": 1}, "acc_bits=1, input_bits=4; give 2 to 32"),
        ({"input_bits": 33}, "input_bits=33"),
        ({"centered": True, "input_signed": True}, "centered=True needs unsigned inputs"),
        ({"method": "clip"}, "method='clip'; give one of subtract, scale"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        bounded(**options)
    with pytest.raises(BadOption, match="one width of at least 2 bits for all weights"):
        BoundedQuantizer(bits=LearnedBits(4, shape=(3, 1)), scale=ConstScale(1.0), acc_bits=10, input_bits=4)
