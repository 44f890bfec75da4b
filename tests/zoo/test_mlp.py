"""The perceptrons of the zoo: their sizes, their precisions, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import hwcost
from hwcost.errors import BadOption
from hwcost.graph.spec import MatVec
from hwcost.quant import const_input
from hwcost.zoo.mlp import MLP, TRIGGER
from hwcost.zoo.precision import Precision


def macs(net: nn.Module, *shape: int) -> int:
    """Multiply-adds per sample that the blocks of a network stand for."""
    pipeline = hwcost.trace(net, torch.zeros(1, *shape), input_bits=8)
    blocks = [block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    return sum(block.rows * block.groups * block.cols * block.vectors for block in blocks)


@pytest.mark.parametrize("precision", [Precision(1, 1), Precision(4, 3), Precision(2, 2, learned=True)], ids=str)
def test_the_trigger_network_has_its_layers_in_every_precision(precision: Precision) -> None:
    net = MLP((16, *TRIGGER, 5), precision)
    assert macs(net, 16) == 16 * 64 + 64 * 32 + 32 * 32 + 32 * 5
    net(torch.rand(4, 16)).sum().backward()
    assert net.fc1.weight.grad is not None and bool((net.fc1.weight.grad != 0).any())


def test_in_float_it_computes_what_dense_layers_do() -> None:
    net = MLP((3, 4, 2), None).eval()
    x = torch.randn(5, 3)
    hidden = torch.relu(x @ net.fc1.weight.T / (1 + net.norm1.eps) ** 0.5)
    torch.testing.assert_close(net(x), hidden @ net.fc2.weight.T)


def test_features_that_are_no_integers_get_a_quantizer() -> None:
    net = MLP((3, 4, 2), Precision(4, 4), input_quant=const_input(bits=6, max_val=4.0, signed=True))
    layers = {layer.name: layer for layer in hwcost.trace(net, torch.zeros(1, 3)).layers()}
    assert float(layers["fc1"].inputs[0].range.bits) == 6


def test_sizes_and_widths_that_make_no_network_are_refused() -> None:
    with pytest.raises(BadOption, match=r"sizes \(16,\)"):
        MLP((16,), None)
    with pytest.raises(BadOption, match="weight_bits=0; give 1 to 8"):
        Precision(0, 4)
    with pytest.raises(BadOption, match="weight_bits=1; give 2 to 8"):
        Precision(1, 2, learned=True)
