"""Fully connected layers on integers against torch's own."""

import pytest
import torch
import torch.nn.functional as F

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec, Signal
from hwcost.quant import BiasQuantizer, QuantLinear, QuantTensor, const_input, const_weight


@pytest.mark.parametrize("bias", [True, False])
def test_integers_in_give_integers_out(bias: bool) -> None:
    source = const_input(bits=4)
    quantizer = BiasQuantizer(bits=9) if bias else None
    layer = QuantLinear(7, 5, bias, weight_quant=const_weight(bits=4), bias_quant=quantizer, source=source)
    x = torch.rand(6, 7)
    assert layer.weight_quant is not None
    weights = layer.weight_quant.integers(layer.weight)
    step = (source.step() * layer.weight_quant.step(layer.weight)).reshape(-1)
    added = torch.round(layer.bias.detach() / step.detach()) if bias else None
    expected = F.linear(source.integers(x).double(), weights.double(), None if added is None else added.double())
    out = layer(source.tensor(x))
    assert isinstance(out, QuantTensor) and torch.equal(out.codes().double(), expected)
    torch.testing.assert_close(layer(source(x)), out.value)


def test_it_is_a_matrix_vector_unit_of_its_weights() -> None:
    layer = QuantLinear(7, 5, False, weight_quant=const_weight(bits=4))
    spec = layer.describe(Signal(range=integers(4, signed=False), shape=(7,)), shape=(5,))
    (unit,) = spec.blocks
    assert isinstance(unit, MatVec) and (unit.rows, unit.cols, unit.groups, unit.vectors) == (5, 7, 1, 1)
    assert layer.weight_quant is not None
    assert torch.equal(unit.constants(), layer.weight_quant.integers(layer.weight))  # type: ignore[arg-type] # has some


def test_images_are_refused_by_name() -> None:
    layer = QuantLinear(7, 5, False, weight_quant=const_weight(bits=4))
    with pytest.raises(BadOption, match=r"QuantLinear.*flatten"):
        layer.describe(Signal(range=integers(4, signed=False), shape=(7, 2, 2)), shape=(5, 2, 2))
