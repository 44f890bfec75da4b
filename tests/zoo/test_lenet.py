"""The LeNet of early Brevitas' README: its layers, its sizes, and widths that start where they are told to."""

from __future__ import annotations

import torch
from torch import nn

from hwcost.quant import LearnedBits
from hwcost.zoo.lenet import QuantLeNet, recipe


def test_layers_and_sizes() -> None:
    net = QuantLeNet()
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters() if "quant" not in name}
    assert shapes == {
        "conv1.weight": (6, 3, 5, 5), "conv1.bias": (6,), "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,),
        "fc1.weight": (120, 400), "fc1.bias": (120,), "fc2.weight": (84, 120), "fc2.bias": (84,),
        "fc3.weight": (10, 84),
    }  # fmt: skip
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_widths_start_where_they_are_told_to() -> None:
    net = QuantLeNet(6, 5, base=3, activation_base=1)
    widths = {name: (m.base, int(m())) for name, m in net.named_modules() if isinstance(m, LearnedBits)}
    assert {found for name, found in widths.items() if "weight" in name} == {(3, 6)}
    assert {found for name, found in widths.items() if "weight" not in name} == {(1, 5)}
    assert len(widths) == 9


def test_in_float_it_is_the_plain_network() -> None:
    torch.manual_seed(0)
    net, x = recipe.float_network().eval(), torch.rand(2, 3, 32, 32)
    plain = nn.Sequential(
        net.conv1, nn.ReLU(), nn.MaxPool2d(2), net.conv2, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        net.fc1, nn.ReLU(), net.fc2, nn.ReLU(), net.fc3,
    )  # fmt: skip
    torch.testing.assert_close(net(x), plain(x))
    assert not any(isinstance(module, LearnedBits) for module in net.modules())
