"""Fake quantization by numbers: sums over many elements, and one width as a Python number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwcost.errors import DivergedTraining
from hwcost.graph.ste import whole_bits
from hwcost.quant.kernels.scalar import SMALL, _float32, d_distance, inner, read_bits

NUMBERS = [-20.0, -14.5, -2.5, -0.5, 0.0, 0.5, 1.5, 2.5, 13.4, 14.0, 14.6, 99.0]


@pytest.mark.parametrize("distance", NUMBERS)
def test_a_width_and_its_gradient_are_those_of_the_primitive(distance: float) -> None:
    for upstream in (1.0, -1.0):
        offset = torch.tensor(distance, requires_grad=True)
        width = whole_bits(offset, base=2, most=16)
        width.backward(torch.tensor(upstream))
        assert read_bits(distance, 2, 16) == int(width)
        if distance != 0:
            assert offset.grad is not None and d_distance(upstream, distance, 2, 16) == offset.grad.item()


def test_a_width_that_is_no_number_is_a_diverged_training() -> None:
    with pytest.raises(DivergedTraining, match="lower the learning rate"):
        read_bits(float("nan"), 2, 16)
    assert read_bits(float("inf"), 2, 16) == 16


def test_the_nearest_float32() -> None:
    for number in np.random.default_rng(0).uniform(-1e6, 1e6, 200).tolist():
        assert _float32(number) == float(np.float32(number))


@pytest.mark.parametrize("count", [0, 7, SMALL, SMALL + 5, 3 * SMALL + 1])
def test_inner_products_of_any_length(count: int) -> None:
    random = np.random.default_rng(count)
    a, b = (random.uniform(0, 1, count).astype(np.float32) for _ in "ab")
    assert inner(a, b) == pytest.approx(float(a.astype(float) @ b.astype(float)), rel=1e-6)
