"""Convolutions on integers against torch's own, and the paddings that torch does not have."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from hwcost.errors import BadOption
from hwcost.quant import (
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantTensor,
    const_input,
    const_weight,
    same_padding,
)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("kernel,stride,dilation", [(1, 1, 1), (3, 1, 1), (3, 2, 1), (2, 2, 1), (5, 3, 1), (3, 2, 2)])
def test_same_padding_gives_one_output_per_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, kernel, stride, dilation)
    assert after - before in (0, 1)
    x = F.pad(torch.ones(1, 1, size), (before, after))
    assert F.conv1d(x, torch.ones(1, 1, kernel), stride=stride, dilation=dilation).shape[-1] == -(-size // stride)


@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding": "same"}]
)
@pytest.mark.parametrize("rank", [1, 2])
def test_integers_in_give_integers_out(rank: int, options: dict[str, object]) -> None:
    kind, convolve = (QuantConv1d, F.conv1d) if rank == 1 else (QuantConv2d, F.conv2d)
    layer = kind(4, 6, 3, bias=False, weight_quant=const_weight(bits=4), **options)  # type: ignore[arg-type]
    source = const_input(bits=4)
    x = torch.rand(2, 4, *(7, 9)[:rank])
    assert layer.weight_quant is not None
    codes, weights = source.integers(x), layer.weight_quant.integers(layer.weight)
    expected = convolve(codes.double(), weights.double(), **options)  # type: ignore[arg-type]
    out = layer(source.tensor(x))
    assert isinstance(out, QuantTensor)
    assert torch.equal(out.codes().double(), expected)
    plain = layer(source(x))
    torch.testing.assert_close(plain, out.value)


def test_paddings_by_another_name_are_refused() -> None:
    with pytest.raises(BadOption, match=r"QuantConv2d: padding='valid'.*'same'"):
        QuantConv2d(1, 1, 3, padding="valid", weight_quant=None)


@pytest.mark.parametrize("name", ["kernel_size", "stride", "padding", "dilation"])
def test_sizes_of_another_number_of_dimensions_are_refused(name: str) -> None:
    """Torch takes a tuple of one number for a stride of two, and the sliding window has no second one."""
    sizes: dict[str, Any] = {"kernel_size": 3, name: (1,)}
    for layer in (QuantConv2d, QuantConvTranspose2d):
        with pytest.raises(BadOption, match=rf"{layer.__name__}: {name}=\(1,\); give one number, or 2 in a tuple"):
            layer(2, 2, **sizes, weight_quant=None)
