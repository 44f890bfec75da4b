"""Numbers that enter a model: integers of numpy count, what is no number of the right kind is named."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hwcost.errors import BadOption
from hwcost.models import Device, Fold, Folding
from hwcost.models.amounts import at_least_zero, positive, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_numpy_are_integers(value: Any) -> None:
    assert whole("n", value) == 3 and type(whole("n", value)) is int
    assert Fold(value, value) == Fold(3, 3) and type(Fold(value, 1).pe) is int
    assert hash(Fold(value, 1)) == hash(Fold(3, 1))


@pytest.mark.parametrize("value", [0, -1, 2.0, 1.5, float("nan"), True, np.float64(2), np.True_, "2", None])
def test_what_is_no_whole_number_is_named(value: Any) -> None:
    for wrong in (
        lambda: whole("n", value),
        lambda: Fold(value, 1),
        lambda: Fold(1, value),
        lambda: Folding({}, value),
    ):
        with pytest.raises(BadOption, match="give a whole number of at least 1"):
            wrong()


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "2", None, 10**400, 6])
def test_what_is_not_positive_is_named(value: Any) -> None:
    with pytest.raises(BadOption, match="must be above 0, at most 5"):
        positive("x", value, 5)


@pytest.mark.parametrize("value", [5, 2.5, np.float32(2.5), Fraction(5, 2), np.int8(1)])
def test_positive_numbers_pass(value: Any) -> None:
    assert positive("x", value, 5) == float(value) == at_least_zero("x", value)


@pytest.mark.parametrize("value", [-1e-300, float("nan"), float("inf"), False, "0"])
def test_amounts_are_finite_and_at_least_zero(value: Any) -> None:
    assert at_least_zero("x", 0) == 0
    with pytest.raises(BadOption, match=r"x=.*: give a finite number of at least 0"):
        at_least_zero("x", value)


@pytest.mark.parametrize("amount", [-1, 1.5, float("nan"), True])
def test_a_device_counts_in_whole_numbers(amount: Any) -> None:
    amounts: dict[str, Any] = {"LUT": amount, "LUTRAM": 0, "FF": 1, "BRAM18": 1, "URAM": 0, "DSP": 1}
    with pytest.raises(BadOption, match=r"mine: LUT=.*: give a whole number of at least 0"):
        Device(name="mine", part="xc7mine-1", family="mine", dsp_kind="DSP48E2", source="made up", **amounts)
