"""The same operations on tensors, python numbers and slopes; the smooth ones have the gradient of a real law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hwcost.models.formulas.arithmetic import EXACT, SMOOTH, Arithmetic
from hwcost.models.formulas.dual_numbers import Slope

PORTS = ((1, 64), (4, 16), (9, 8))
OPERATIONS: dict[str, Callable[[Arithmetic, Any], Any]] = {
    "ceil": lambda ops, x: ops.ceil(x / 3),
    "floor": lambda ops, x: ops.floor(x / 3),
    "round": lambda ops, x: ops.round(x / 2),
    "exp2": lambda ops, x: ops.exp2(x),
    "minimum": lambda ops, x: ops.minimum(x, 5),
    "maximum": lambda ops, x: ops.maximum(x, 5),
    "where": lambda ops, x: ops.where(x < 4, 2 * x, x),
    "special": lambda ops, x: ops.where(ops.special(x < 4), 0 * x, x),
    "fewest_cells": lambda ops, x: ops.fewest_cells(x, 24, PORTS),
    "sum_stages": lambda ops, x: ops.sum_stages(x, lambda stage: ops.exp2(stage) + 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_exact_on_numbers_and_on_tensors(name: str) -> None:
    widths = list(range(1, 12))
    together = OPERATIONS[name](EXACT, torch.tensor(widths, dtype=torch.float64))
    assert together.tolist() == [float(OPERATIONS[name](EXACT, width)) for width in widths]


@pytest.mark.parametrize("name", OPERATIONS)
def test_smooth_on_slopes_and_on_tensors(name: str) -> None:
    for width in range(1, 12):
        leaf = torch.tensor([float(width)], dtype=torch.float64, requires_grad=True)
        found = OPERATIONS[name](SMOOTH, leaf)
        (grad,) = torch.autograd.grad(found.sum(), leaf)
        slope = OPERATIONS[name](SMOOTH, Slope(float(width), (1.0,)))
        value, part = (slope.value, slope.parts[0]) if isinstance(slope, Slope) else (slope, 0.0)
        assert value == pytest.approx(found.item(), rel=1e-12)
        assert part == pytest.approx(grad.item(), rel=1e-12)


def test_a_chain_counts_its_stages() -> None:
    assert EXACT.sum_stages(4, lambda stage: 10**stage) == 1111
    assert EXACT.sum_stages(torch.tensor([1.0, 3.0]), lambda stage: 10**stage).tolist() == [1, 111]


def test_a_constant_of_a_law_is_not_rounded() -> None:
    constant = Slope(0.3, (1.0,))
    for rounded in (EXACT.ceil(7 * constant), EXACT.ceil_fixed(7 * constant), EXACT.round(7 * constant)):
        assert rounded.value == pytest.approx(2.1) and rounded.parts == (7.0,)
