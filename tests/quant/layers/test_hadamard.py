"""A classifier without stored weights: rows of a Hadamard matrix."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Form, MatVec, Signal
from hwcost.quant import HadamardClassifier
from hwcost.quant.layers.hadamard import hadamard


@pytest.mark.parametrize("order", [1, 2, 4, 16])
def test_rows_are_orthogonal(order: int) -> None:
    matrix = hadamard(order)
    assert torch.equal(matrix @ matrix.T, order * torch.eye(order)) and set(matrix.unique().tolist()) <= {-1, 1}


@pytest.mark.parametrize("whole_batch", [False, True])
def test_scores_by_hand(whole_batch: bool) -> None:
    layer = HadamardClassifier(3, 2, whole_batch=whole_batch)
    x = torch.tensor([[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]])
    length = torch.tensor([[26.0**0.5]] * 2) if whole_batch else torch.tensor([[5.0], [1.0]])
    wanted = -torch.tensor([[7.0, 7.0], [1.0, -1.0]]) / length / 2**0.5
    torch.testing.assert_close(layer(x), wanted)
    assert layer(torch.zeros(1, 3)).tolist() == [[0, 0]]


def test_the_scale_is_all_that_is_learned_and_stored() -> None:
    assert list(HadamardClassifier(3, 2).state_dict()) == ["scale"]
    assert (
        HadamardClassifier(3, 2).scale.requires_grad
        and not HadamardClassifier(3, 2, fixed_scale=True).scale.requires_grad
    )


@pytest.mark.parametrize("scale", [0.5, -0.5])
def test_its_hardware_is_a_product_with_constant_signs(scale: float) -> None:
    layer = HadamardClassifier(5, 3)
    layer.scale.data.fill_(scale)
    spec = layer.describe(Signal(range=integers(4, signed=False), shape=(5,)), shape=(3,))
    (unit,) = spec.blocks
    assert isinstance(unit, MatVec) and (unit.rows, unit.cols) == (3, 5) and unit.weight.bipolar
    assert (unit.acc.low.item(), unit.acc.high.item()) == (-75, 75) and spec.output.form is Form.ORDER
    codes = unit.constants()
    assert codes is not None and torch.equal(codes, (-layer.matrix if scale > 0 else layer.matrix).long())


def test_sizes_and_images_are_refused() -> None:
    with pytest.raises(BadOption, match=r"HadamardClassifier\(0, 2\): give at least 1 of each"):
        HadamardClassifier(0, 2)
    with pytest.raises(BadOption, match="flatten it first"):
        HadamardClassifier(4, 2).describe(Signal(range=integers(4, signed=False), shape=(1, 2, 2)), shape=(2,))
