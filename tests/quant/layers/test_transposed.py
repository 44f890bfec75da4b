"""Transposed convolutions on integers, and the taps that a sum of them really holds."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from hwcost.errors import BadOption
from hwcost.quant import QuantConvTranspose2d, QuantTensor, const_input, const_weight

GEOMETRIES = [(kernel, stride, dilation) for kernel, stride, dilation in product((1, 2, 3, 5), (1, 2, 3), (1, 2))]


@pytest.mark.parametrize("kernel,stride,dilation", GEOMETRIES)
def test_a_sum_holds_as_many_products_as_described(kernel: int, stride: int, dilation: int) -> None:
    layer = QuantConvTranspose2d(2, 3, kernel, stride, bias=False, dilation=dilation, weight_quant=None)
    counted = F.conv_transpose2d(
        torch.ones(1, 2, 9, 9), torch.ones(2, 1, kernel, kernel), stride=stride, dilation=dilation
    )
    assert layer.geometry().terms == int(counted.max())


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"dilation": 2}])
def test_integers_in_give_integers_out(options: dict[str, int]) -> None:
    weight = const_weight(bits=4, channel_dim=1)
    layer, source = QuantConvTranspose2d(4, 3, 3, bias=False, weight_quant=weight, **options), const_input(bits=4)
    x = torch.rand(2, 4, 5, 6)
    expected = F.conv_transpose2d(source.integers(x).double(), weight.integers(layer.weight).double(), **options)
    out = layer(source.tensor(x))
    assert isinstance(out, QuantTensor) and torch.equal(out.codes().double(), expected)


def test_scales_along_another_dimension_than_the_output_channel_are_refused() -> None:
    with pytest.raises(BadOption, match=r"channel_dim=0.*dimension 1"):
        QuantConvTranspose2d(4, 3, 3, weight_quant=const_weight())
    with pytest.raises(BadOption, match="groups"):
        QuantConvTranspose2d(4, 4, 3, groups=2, weight_quant=const_weight(channel_dim=1))
