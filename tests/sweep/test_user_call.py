"""Calls of functions of the user: what goes wrong in them is told with its line, and numbers are numbers."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from torch import nn

from hwcost.errors import BadOption, BadRecipe
from hwcost.sweep.user_call import ask, built, finite, positive


def test_asking_a_function_of_the_user() -> None:
    assert ask("f", divmod, 7, 2) == (3, 1)
    assert ask("f", int, "ff", base=16) == 255
    line = _fails.__code__.co_firstlineno + 1
    with pytest.raises(BadRecipe, match=rf"^mine: its data\(\) failed: KeyError: 'no' \(.*test_user_call.py:{line}\)$"):
        ask("mine: its data()", _fails)
    with pytest.raises(BadOption, match=r"^our own$"):
        ask("f", _refuses)
    with pytest.raises(KeyboardInterrupt):
        ask("f", _interrupted)


def _fails() -> None:
    raise KeyError("no")


def _refuses() -> None:
    raise BadOption("our own")


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_a_factory_that_exits_is_an_error_of_the_recipe() -> None:
    with pytest.raises(BadRecipe, match="its network\\(\\) failed: SystemExit: 3"):
        ask("recipe x: its network()", lambda: sys.exit(3))


@pytest.mark.parametrize(
    ("value", "is_finite", "is_positive"),
    [(2, True, True), (0.5, True, True), (Fraction(1, 3), True, True), (np.float32(0.5), True, True), (-1, True, False),
     (0, True, False), (True, False, False), ("2", False, False), (None, False, False), (float("nan"), False, False),
     (float("inf"), False, False), (10**400, False, False)],
)  # fmt: skip
def test_numbers_that_a_function_may_return(value: Any, is_finite: bool, is_positive: bool) -> None:
    assert (finite(value), bool(positive(value))) == (is_finite, is_positive)


def test_a_network_is_an_object_or_what_a_call_without_arguments_makes() -> None:
    net = nn.Linear(2, 3)
    assert built("n", net) is net and built("n", lambda: net) is net
    with pytest.raises(BadOption, match=r"n: needs wide, deep; name a function without arguments .* return _sized"):
        built("n", _sized)
    with pytest.raises(BadOption, match=r"n: returned int, not a torch.nn.Module"):
        built("n", lambda: 3)
    with pytest.raises(BadOption, match=r"n: a int, not a function that returns a network"):
        built("n", 3)


def _sized(wide: int, deep: int, bias: bool = True, *more: int, **others: int) -> nn.Module:
    return nn.Linear(wide, deep)
