"""Operations on elements, on their own; whole layers are in test_lowering.py."""

import torch

from hwcost.integer.elements import Added, Looked, Multiplied, Rearranged
from hwcost.integer.operations import Wire


def test_tables_sums_and_products() -> None:
    x = torch.arange(-2, 2).reshape(1, 4)
    assert Looked(words=torch.tensor([5, 6, 7, 8]), low=-2)(x).tolist() == [[5, 6, 7, 8]]
    assert Added(dims=(1,), keep=True)(x).tolist() == [[-2]]
    assert Multiplied(grids=(Wire(), Wire()))(x, x).tolist() == [[4, 1, 0, 1]]
    assert Rearranged(lambda each: each.flip(1))(x).tolist() == [[1, 0, -1, -2]]
