"""Binary and ternary values, by hand."""

import pytest
import torch

from hwcost.errors import BadOption
from hwcost.quant import BinaryQuantizer, ConstScale, LearnedScale, TernaryQuantizer


@pytest.mark.parametrize("clipped,inside", [(True, [0.0, 0.5, 0.5, 0.5, 0.0]), (False, [0.5] * 5)])
def test_binary_values_and_gradients(clipped: bool, inside: list[float]) -> None:
    x = torch.tensor([-0.6, -0.5, -0.0, 0.5, 3.0], requires_grad=True)
    quantizer = BinaryQuantizer(scale=LearnedScale(0.5), clipped=clipped)
    y = quantizer(x)
    y.sum().backward()
    assert y.tolist() == [-0.5, -0.5, 0.5, 0.5, 0.5]
    assert x.grad is not None and x.grad.tolist() == pytest.approx(inside)


def test_ternary_values_and_gradients() -> None:
    x = torch.tensor([-2.0, -0.5, -0.49, 0.0, 0.5, float("nan")], requires_grad=True)
    y = TernaryQuantizer(scale=ConstScale(1.0))(x)
    y[:5].sum().backward()
    assert y[:5].tolist() == [-1, -1, 0, 0, 1] and y[5].isnan()
    assert x.grad is not None and x.grad[:5].tolist() == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", [BinaryQuantizer, TernaryQuantizer])
def test_codes_are_exact_in_low_precision(kind: type[BinaryQuantizer] | type[TernaryQuantizer]) -> None:
    for threshold in (0.7, 1.3, 1.99):
        quantizer = kind(scale=LearnedScale(threshold))
        x = torch.randn(100).bfloat16()
        y = quantizer(x)
        assert y.dtype == torch.bfloat16
        assert torch.equal((y.float() / threshold).round().long(), quantizer.integers(x.float()))


def test_torch_func_transforms_them() -> None:
    for quantizer in (BinaryQuantizer(scale=ConstScale(1.5)), TernaryQuantizer(scale=ConstScale(1.5))):
        x = torch.randn(3, 4)
        assert torch.equal(torch.func.vmap(quantizer)(x), quantizer(x))
        slope = torch.func.grad(lambda x, quantizer=quantizer: quantizer(x).sum())(x)
        leaf = x.clone().requires_grad_()
        quantizer(leaf).sum().backward()
        assert torch.equal(slope, leaf.grad)


def test_the_dead_band_is_wider_than_nothing() -> None:
    with pytest.raises(BadOption, match="above 0"):
        TernaryQuantizer(scale=ConstScale(1.0), threshold=0.0)
