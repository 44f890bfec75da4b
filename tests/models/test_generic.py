"""Counts without an architecture, against loops."""

from __future__ import annotations

import pytest
import torch

from hwcost.graph.ranges import Range, binary, integers, ternary
from hwcost.graph.spec import Adder, MatVec, Pool, ScaleBias, Thresholds
from hwcost.models import Generic, HardwareModel, Placed
from hwcost.models.generic import effective_bits


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
    low, high = (torch.tensor([value, value], dtype=torch.float64) for value in (-1.0, 1.0))
    rows = Range(low, high, torch.tensor([2.0, 4.0]))
    unit = MatVec(rows=2, cols=10, weight=rows, input=integers(3, signed=False), acc=integers(8, signed=True))
    assert Generic().price([Placed("a", unit)])["weight_bits"].tolist() == [60]


def test_generic_is_a_hardware_model() -> None:
    assert isinstance(Generic(), HardwareModel)
    assert {name: tuple(t.shape) for name, t in Generic().price([]).items()} == {n: (0,) for n in Generic().resources}


def ebops_by_loops(weight_bits: list[list[int]], input_bits: int, bias_bits: list[int], vectors: int) -> int:
    """HGQ2's QDense and QConv for symmetric weights and unsigned inputs, product by product."""
    total = 0
    for _ in range(vectors):
        for row, bias in zip(weight_bits, bias_bits, strict=True):
            for width in row:
                total += max(width - 1, 0) * input_bits  # the sign of a symmetric weight does not count
            total += bias
    return total


def test_ebops_by_loops() -> None:
    widths = [[2, 0, 8], [4, 4, 3]]
    real = torch.tensor(widths, dtype=torch.float64, requires_grad=True)
    weight = integers(real, signed=True, narrow=True)
    bias = integers(torch.tensor([6.0, 3.0]), signed=True)
    unit = MatVec(
        rows=2, cols=3, vectors=7, weight=weight, input=integers(5, signed=False), acc=integers(16, signed=True),
        bias=bias
    )  # fmt: skip
    bill = Generic().price([Placed("a", unit)])
    assert bill["EBOPs"].item() == ebops_by_loops(widths, 5, [6, 3], 7)
    (slope,) = torch.autograd.grad(bill["EBOPs"].sum(), real)
    assert slope.tolist() == [[35.0] * 3] * 2
    signed = MatVec(rows=2, cols=3, weight=weight, input=integers(5, signed=True), acc=integers(16, signed=True))
    assert Generic().price([Placed("a", signed)])["EBOPs"].item() == ebops_by_loops(widths, 5, [0, 0], 1)


def test_ebops_of_the_other_blocks() -> None:
    left, right, total = integers(6, signed=False), integers(4, signed=True), integers(8, signed=True)
    adder = Adder(channels=3, vectors=10, left=left, right=right, output=total)
    pool = Pool(kind="max", channels=3, kernel=(2, 2), vectors=10, input=left, output=left)
    scale = ScaleBias(
        channels=3, vectors=10, input=left, weight=integers(5, signed=True), bias=integers(7, signed=True), output=total
    )
    bill = Generic().price([Placed("add", adder), Placed("pool", pool), Placed("bn", scale)])
    assert bill["EBOPs"].tolist() == [0.65 * 4 * 30, 6 * 4 * 30, (5 * 6 + 7) * 30]


def test_effective_bits_leave_out_the_sign_of_symmetric_codes() -> None:
    for wire, wanted in (
        (integers(4, signed=True, narrow=True), 3),
        (integers(4, signed=True), 4),
        (integers(4, signed=False), 4),
        (binary(), 1),
        (ternary(), 1),
    ):
        assert effective_bits(wire).item() == wanted


def test_energy_of_published_operations() -> None:
    """Horowitz, ISSCC 2014, 45 nm: multiply 8 bits 0.2 pJ, 32 bits 3.1 pJ; add 32 bits 0.1 pJ."""
    for bits, multiply in ((8, 0.2), (32, 3.1)):
        unit = MatVec(
            rows=1, cols=1, weight=integers(bits, signed=True), input=integers(bits, signed=True),
            acc=integers(32, signed=True)
        )  # fmt: skip
        assert Generic().price([Placed("a", unit)])["arithmetic_pJ"].item() == pytest.approx(multiply + 0.1, rel=0.01)


def test_zero_bits_cost_nothing() -> None:
    widths = torch.tensor([[0.0, 4.0]], dtype=torch.float64)
    acc = integers(torch.tensor([9.0], dtype=torch.float64), signed=True)

    def unit(own: torch.Tensor) -> MatVec:
        weight = integers(own, signed=True, narrow=True)
        return MatVec(rows=1, cols=own.shape[1], weight=weight, input=integers(4, signed=False), acc=acc)

    both, one = (Generic().price([Placed("a", unit(own))]) for own in (widths, widths[:, 1:]))
    for name in Generic.resources:
        if name != "MACs":
            assert both[name].item() == one[name].item(), name
