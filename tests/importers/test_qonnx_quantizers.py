"""Numbers of a QONNX file as quantizers and affine maps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_quantizers import Affine, integer, per_channel, rows_of, threshold, turned
from hwcost.quant import BinaryQuantizer, ConstScale, QuantConv2d, QuantLinear


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "low", "high"),
    [(4, True, False, -8, 7), (4, True, True, -7, 7), (3, False, False, 0, 7)],
)
def test_codes_in_steps(bits: int, signed: bool, narrow: bool, low: int, high: int) -> None:
    quantizer = integer(torch.tensor([0.25]).double(), bits, signed, narrow)
    x = torch.tensor([-99.0, -0.3, 0.0, 0.6, 99.0])
    assert quantizer.integers(x).tolist() == [low, max(low, -1), 0, 2, high]
    torch.testing.assert_close(quantizer.step(x), torch.tensor(0.25))


def test_matrices_are_turned_with_their_steps() -> None:
    steps = torch.tensor([[0.5], [0.25], [1.0]]).double()
    for quantizer in (integer(steps, 4, True, True), BinaryQuantizer(scale=ConstScale(steps))):
        weight = torch.randn(3, 2).double()
        torch.testing.assert_close(turned(quantizer)(weight.T), quantizer(weight).T)
        torch.testing.assert_close(per_channel(quantizer)(weight[:, 0]), quantizer(weight)[:, 0])
    one = integer(torch.tensor(0.5).double(), 4, True, True)
    assert turned(one) is one is per_channel(one)
    assert threshold(torch.ones(1, 1)).shape == () and threshold(steps) is steps


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_maps_are_composed(op: str, first: bool) -> None:
    given, x = Affine("x", 3.0, -1.0), 0.7
    if op == "Div" and first:
        with pytest.raises(UnknownOperation, match="divides by a stream"):
            given.then(op, 4.0, first=first)
        return
    inner = 3.0 * x - 1.0
    left, right = (4.0, inner) if first else (inner, 4.0)
    wanted = {"Add": left + right, "Sub": left - right, "Mul": left * right, "Div": left / right}[op]
    found = given.then(op, 4.0, first=first)
    assert found.gain * x + found.offset == pytest.approx(wanted) and found.source == "x"


def test_only_products_have_rows() -> None:
    assert rows_of(QuantLinear(3, 5, weight_quant=None)) == 5 and rows_of(QuantConv2d(3, 7, 1, weight_quant=None)) == 7
    for other in (nn.ReLU(), None):
        with pytest.raises(UnknownOperation, match="a stream that is no product and that no Quant node takes"):
            rows_of(other)
