"""The law of products that share sub-sums: exact values, slopes that lead through zero, and real netlists."""

from math import log2

import pytest
import torch
from torch import Tensor

from hwcost.graph.ranges import Range, integers
from hwcost.graph.spec import MatVec
from hwcost.models.formulas.coefficients import values
from hwcost.models.unrolled.shared_sums import shared_trees

C = values("rtl")


def unit(codes: list[list[int]], bits: list[float], width: Tensor | None = None) -> tuple[Tensor, MatVec]:
    matrix = torch.tensor(codes)
    width = torch.full(matrix.shape, 4.0, dtype=torch.float64) if width is None else width
    column = torch.tensor(bits, dtype=torch.float64)
    columns = Range(0 * column, 2**column - 1, column)
    weight = Range(-(2**width), 2**width, width)
    block = MatVec(
        rows=len(codes),
        cols=len(bits),
        weight=weight,
        input=integers(8, signed=False),
        acc=integers(9, signed=True),
        columns=columns,
    )
    return matrix, block


def test_the_price_of_two_outputs() -> None:
    # 7 = 8 - 1 has two digits, 5 two, 1 one; the second output is a wire
    matrix, block = unit([[7, 5, 0], [0, 0, 1]], [3, 2, 4])
    cost = shared_trees([matrix], [matrix], [block], 2, C)
    digits = 2 * 3 + 2 * 2
    row = C["shared_input_bit"] * digits - C["shared_first"] * 3 + 3 * (C["shared_adder"] + C["shared_level"] * log2(4))
    assert float(cost.adder_bits) == pytest.approx(row * (5 / 3) ** -C["shared_power"])
    assert cost.levels.tolist() == [2]


def test_nothing_costs_nothing() -> None:
    matrix, block = unit([[0, 0], [0, 4]], [3, 2])
    assert shared_trees([matrix], [matrix], [block], 2, C).adder_bits.tolist() == [0]


def test_dead_code_is_not_in_the_amount() -> None:
    matrix, block = unit([[1, 1], [1, 1]], [3, 3])
    alone, alone_block = unit([[1, 1]], [3, 3])
    left = matrix * torch.tensor([[1], [0]])
    assert (
        shared_trees([matrix], [left], [block], 2, C).adder_bits.tolist()
        == shared_trees([alone], [alone], [alone_block], 2, C).adder_bits.tolist()
    )


def test_a_bit_costs_its_share_of_the_digits_and_a_zero_weight_a_whole_one() -> None:
    width = torch.tensor([[4.0, 3.0, 2.0]], dtype=torch.float64, requires_grad=True)
    matrix, block = unit([[5, 1, 0]], [3, 2, 4], width)
    shared_trees([matrix], [matrix], [block], 2, C).adder_bits.sum().backward()
    assert width.grad is not None
    shared = (3 / 2) ** -C["shared_power"]
    level = C["shared_adder"] + C["shared_level"] * log2(3)
    expected = [
        2 / 3 * (C["shared_input_bit"] * 3 + level),
        C["shared_input_bit"] * 2 + level,
        C["shared_input_bit"] * 4 + level,
    ]
    assert width.grad[0].tolist() == pytest.approx([shared * one for one in expected])


def test_a_bit_of_an_input_costs_the_digits_that_see_it() -> None:
    matrix, block = unit([[7, 1], [0, 1]], [3, 2])
    columns = block.columns
    assert columns is not None
    bits = columns.bits.clone().requires_grad_()
    block = MatVec(**{**vars(block), "columns": Range(columns.low, columns.high, bits)})
    shared_trees([matrix], [matrix], [block], 2, C).adder_bits.sum().backward()
    assert bits.grad is not None
    shared = (4 / 2) ** -C["shared_power"]
    assert bits.grad.tolist() == pytest.approx([shared * C["shared_input_bit"] * 2] * 2)


def test_one_width_for_all_hears_the_sum() -> None:
    width = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    each = torch.full((1, 3), 4.0, dtype=torch.float64, requires_grad=True)
    for own in (width, each):
        matrix, block = unit([[5, 1, 0]], [3, 2, 4], own)
        shared_trees([matrix], [matrix], [block], 2, C).adder_bits.sum().backward()
    assert width.grad is not None and each.grad is not None
    assert float(width.grad) == pytest.approx(float(each.grad.sum()))
