"""Products, means and activations of any shape as nodes: what other tools compute is what we compute."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")

import torch
from onnx_check import act, check, weight
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_elements import FUNCTIONS
from hwcost.export.qonnx import qonnx
from hwcost.graph.trace import trace
from hwcost.quant import (
    QuantActivation,
    QuantAdaptiveAvgPool,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantConvTranspose1d,
    QuantIdentity,
    QuantLinear,
    QuantMean,
    QuantMul,
    QuantPReLU,
    QuantReLU,
)


class Excited(nn.Module):
    """Squeeze and excitation, and a mean to a size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = QuantConv2d(3, 4, 3, padding=1, weight_quant=weight()), QuantReLU(act())
        self.mean, self.squeeze = QuantMean((2, 3), keepdim=True), QuantConv2d(4, 4, 1, weight_quant=weight())
        self.gate, self.mul = QuantActivation(nn.Hardsigmoid(), act()), QuantMul()
        self.pool, self.fc = QuantAdaptiveAvgPool((2, 1)), QuantLinear(8, 3, weight_quant=weight())

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x))
        y: Tensor = self.fc(self.pool(self.mul(x, self.gate(self.squeeze(self.mean(x))))).flatten(1))
        return y


def test_gates_and_means_are_exported() -> None:
    check(Excited(), (3, 6, 4), count=4)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda kind: kind.__name__)
def test_every_function_is_exported(function: type[nn.Module]) -> None:
    layer = QuantActivation(function(), act(6, signed=True), input_quant=act(6, signed=True))
    net = nn.Sequential(QuantLinear(7, 5, weight_quant=weight()), layer, QuantLinear(5, 3, weight_quant=weight()))
    check(net, (7,), count=4)


def test_a_gelu_by_tanh_and_slopes_per_channel() -> None:
    check(nn.Sequential(QuantIdentity(act(5)), QuantActivation(nn.GELU("tanh"), act(6, signed=True))), (7,), count=4)
    slopes = QuantPReLU(act(6, signed=True), 4)
    slopes.weight.data = torch.tensor([0.3, 0.05, 0.9, 0.2])
    conv = QuantConv2d(3, 4, 3, weight_quant=weight())
    check(nn.Sequential(conv, slopes), (3, 6, 5), count=4)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (QuantConvTranspose1d(3, 4, 4, 2, 1, weight_quant=weight(channel_dim=1)), (3, 7)),
        (QuantConv3d(2, 3, 3, padding=1, weight_quant=weight()), (2, 4, 4, 5)),
        (QuantConv1d(3, 4, 3, weight_quant=weight()), (3, 9)),
    ],
)
def test_convolutions_of_other_ranks_are_exported(layer: nn.Module, shape: tuple[int, ...]) -> None:
    check(nn.Sequential(layer, QuantReLU(act())), shape, count=3)


def test_a_function_of_your_own_is_refused_by_name() -> None:
    class Bump(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.exp(-x * x)

    net = nn.Sequential(QuantIdentity(act(5, signed=True)), QuantActivation(Bump(), act()))
    with pytest.raises(UnknownOperation, match="1: Bump is no function that ONNX names"):
        qonnx(trace(net, torch.zeros(1, 4)))
