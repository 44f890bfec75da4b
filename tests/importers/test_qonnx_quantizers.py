"""Quantizers for the numbers of a QONNX file."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
import torch

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_quantizers import bounds, clamped, grown, quantizer_of, single_step
from hwcost.importers.qonnx_values import Codes, number
from hwcost.quant import BinaryQuantizer, ConstScale, GridQuantizer, IntQuantizer, TernaryQuantizer, ThresholdQuantizer


def codes(low: float, high: float, **options: Any) -> Codes:
    return Codes(step=number(0.25), factor=number(0.25), low=low, high=high, **options)


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "low", "high"),
    [
        (4, True, False, -8, 7),
        (4, True, True, -7, 7),
        (3, False, False, 0, 7),
        (3, False, True, 0, 6),
        (1, False, False, 0, 1),
    ],
)
def test_codes_in_steps(bits: int, signed: bool, narrow: bool, low: int, high: int) -> None:
    assert bounds(bits, signed, narrow) == (low, high)
    quantizer = quantizer_of(codes(low, high))
    assert isinstance(quantizer, GridQuantizer if (signed, narrow) == (False, True) else IntQuantizer)
    x = torch.tensor([-99.0, -0.3, 0.0, 0.6, 99.0])
    assert quantizer.integers(x).tolist() == [low, max(low, -1), 0, min(2, high), high]
    assert clamped(quantizer) == (low, high) and float(single_step(quantizer)) == 0.25  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "options", "kind"),
    [
        (-8, 7, {"zero_point": 2}, IntQuantizer),
        (-8, 7, {"zero_point": 1}, GridQuantizer),
        (-8, 7, {"rounding": "FLOOR"}, GridQuantizer),
        (-1, 0, {}, GridQuantizer),
        (-5, 9, {}, GridQuantizer),
        (0, 0, {"bipolar": True}, BinaryQuantizer),
    ],
)
def test_codes_of_other_tools(low: int, high: int, options: dict[str, Any], kind: type) -> None:
    assert type(quantizer_of(codes(low, high, **options))) is kind


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (codes(-inf, 7), "rounds without bounds"),
        (codes(0, 2**33), "at most 32 bits"),
        (codes(3, 3), "give at least two"),
        (Codes(step=number(1), factor=number(-1), low=0, high=1), "not above 0"),
    ],
)
def test_codes_that_have_no_width(given: Codes, message: str) -> None:
    with pytest.raises(UnknownOperation, match=message):
        quantizer_of(given)
    with pytest.raises(UnknownOperation, match="a single code"):
        bounds(1, False, True)


@pytest.mark.parametrize(
    "quantizer",
    [
        quantizer_of(codes(-7, 7)),
        quantizer_of(codes(0, 6, rounding="CEIL")),
        BinaryQuantizer(scale=ConstScale(0.5)),
        ThresholdQuantizer(torch.tensor([[-1.0, 0.5, 1.0]]), step=0.5, low=-1),
    ],
)
def test_a_factor_behind_a_quantizer_is_part_of_its_step(quantizer: Any) -> None:
    x = torch.tensor([[-2.0, -0.3, 0.1, 0.6, 5.0]])
    made, inner = grown(quantizer, 4.0)  # type: ignore[misc]
    torch.testing.assert_close(made(x * inner), quantizer(x) * 4)
    assert grown(TernaryQuantizer(scale=ConstScale(1.0)), 4.0) is None
    assert single_step(IntQuantizer(bits=4, scale=ConstScale(torch.tensor([[1.0], [2.0]])))) is None


def test_a_step_below_the_least_of_a_statistic_is_kept() -> None:
    quantizer = quantizer_of(Codes(step=number(2.0**-30), factor=number(2.0**-30), low=-8, high=7))
    assert float(quantizer(torch.tensor(2.0**-29))) == 2.0**-29
