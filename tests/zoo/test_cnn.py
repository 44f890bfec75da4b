"""The small CNN and its search: sizes, floors by kind of tensor, anchors inside the space."""

from __future__ import annotations

import pytest
import torch

from hwcost.quant import LearnedBits
from hwcost.sweep.headroom import Headroom
from hwcost.zoo.cnn import SmallCNN, Widths, cnn_search


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 12, 10)])
def test_sizes_follow_from_the_image(image: tuple[int, int, int]) -> None:
    net = SmallCNN(image=image, channels=(4, 6), hidden=5, classes=3, widths=None).eval()
    assert net(torch.zeros(2, *image)).shape == (2, 3)
    assert net.fc1.in_features == 6 * (image[1] // 4) * (image[2] // 4)
    assert (net.conv1.in_channels, net.conv2.out_channels, net.fc1.out_features) == (image[0], 6, 5)


def test_floors_by_kind_of_tensor_and_one_scale_for_all_classes() -> None:
    net = SmallCNN(image=(1, 8, 8), channels=(4, 6), hidden=5, classes=3, widths=Widths(conv=2, dense=3, activation=4))
    floors = {name: module.base for name, module in net.named_modules() if isinstance(module, LearnedBits)}
    assert {base for name, base in floors.items() if name.startswith("conv")} == {2}
    assert {base for name, base in floors.items() if name.startswith("fc")} == {3}
    assert {base for name, base in floors.items() if name.startswith("relu")} == {4}
    assert net.fc2.weight_quant.step(net.fc2.weight).numel() == 1 < net.fc1.weight_quant.step(net.fc1.weight).numel()


def test_a_search_of_channels_floors_and_budget() -> None:
    found = cnn_search(image=(1, 8, 8), channels=(2, 16), classes=10)
    for params in found["anchors"]:
        assert params.keys() == found["space"].keys()
        for name, choices in found["space"].items():
            assert choices.low <= params[name] <= choices.high, name  # type: ignore[attr-defined] # ranges
    net = found["network"]({"channels": 3, "conv_base": 2, "dense_base": 2, "activation_base": 2, "lut_headroom": 1.0})
    assert (net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features) == (3, 6, 12)
    assert found["float_network"]().conv1.out_channels == 16
    assert found["budget"](found["anchors"][2]) == {"LUT": Headroom(0.25)}
