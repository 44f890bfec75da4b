"""Laws of whole widths between them: the law at the corners, the multilinear mean inside, the gradient of its twin."""

from __future__ import annotations

from itertools import product
from math import ceil, floor

import pytest
import torch
from torch import Tensor

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity
from hwcost.models.formulas.relax import relax, stacked


def law(ops: Arithmetic, widths: Tensor) -> dict[str, Quantity]:
    a, b = widths
    return {"LUT": ops.ceil(a * b / 3), "FF": a + 2 * b, "DSP": 1.0}


def at(a: float, b: float) -> float:
    """The multilinear mean of the law at the corners around a point."""
    total = 0.0
    for up_a, up_b in product((0, 1), repeat=2):
        share = (a % 1 if up_a else 1 - a % 1) * (b % 1 if up_b else 1 - b % 1)
        total += share * ceil((floor(a) + up_a) * (floor(b) + up_b) / 3)
    return total


def test_values_at_and_between_whole_widths() -> None:
    points = [(4.0, 5.0), (4.0, 5.25), (2.5, 7.75), (1.0, 1.0)]
    found = relax(law, torch.tensor(points, dtype=torch.float64).T)
    assert found["LUT"].tolist() == pytest.approx([at(*point) for point in points], rel=1e-12)
    assert found["FF"].tolist() == [a + 2 * b for a, b in points]
    assert found["DSP"].tolist() == [1.0] * 4
    assert relax(law, torch.tensor([[4.0], [5.0]], dtype=torch.float64))["LUT"].item() == 7


@pytest.mark.parametrize("point", [(4.0, 5.0), (4.25, 5.5)])
def test_the_gradient_is_that_without_roundings(point: tuple[float, float]) -> None:
    widths = torch.tensor(point, dtype=torch.float64)[:, None].requires_grad_()
    found = relax(law, widths)
    (slope,) = torch.autograd.grad(found["LUT"].sum(), widths)
    assert slope.flatten().tolist() == pytest.approx([point[1] / 3, point[0] / 3])
    with torch.no_grad():
        assert not relax(law, widths)["LUT"].requires_grad


def test_numbers_are_repeated() -> None:
    table = stacked({"a": 3.0, "b": torch.tensor([1, 2])}, (2,))
    assert table.tolist() == [[3, 3], [1, 2]] and table.dtype == torch.float64
