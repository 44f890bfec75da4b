"""Counts without an architecture, against loops."""

from __future__ import annotations

import torch

from hwcost.models import Generic, HardwareModel, Placed
from hwcost.ranges import Range, integers
from hwcost.spec import MatVec, Pool, Thresholds


def test_counts_by_hand() -> None:
    widths = torch.tensor([[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]], dtype=torch.float64, requires_grad=True)
    acc = integers(16, signed=True)
    unit = MatVec(
        rows=2, cols=3, vectors=5, weight=integers(widths, signed=True), input=integers(4, signed=False), acc=acc
    )
    output = integers(torch.tensor([2.0, 3.0]), signed=False)
    act = Thresholds(channels=2, vectors=5, input=acc, output=output)
    pool = Pool(kind="max", channels=2, kernel=(2, 2), vectors=1, input=acc, output=acc)
    bill = Generic().price([Placed("a", unit), Placed("a", act), Placed("p", pool)])
    assert bill["MACs"].tolist() == [30, 0, 0]
    assert bill["BOPs"].tolist() == [5 * 4 * (2 + 3 + 4 + 5 + 6 + 7), 0, 0]
    assert bill["weight_bits"].tolist() == [27, 0, 0]
    assert bill["activation_bits"].tolist() == [0, 25, 0]
    (slope,) = torch.autograd.grad(bill["BOPs"].sum(), widths)
    assert slope.tolist() == [[20.0] * 3] * 2


def test_a_width_per_row_counts_each_row() -> None:
    rows = Range(
        *[torch.tensor([value, value], dtype=torch.float64) for value in (-1.0, 1.0)], torch.tensor([2.0, 4.0])
    )
    unit = MatVec(rows=2, cols=10, weight=rows, input=integers(3, signed=False), acc=integers(8, signed=True))
    assert Generic().price([Placed("a", unit)])["weight_bits"].tolist() == [60]


def test_generic_is_a_hardware_model() -> None:
    assert isinstance(Generic(), HardwareModel)
    assert {name: tuple(t.shape) for name, t in Generic().price([]).items()} == {n: (0,) for n in Generic().resources}
