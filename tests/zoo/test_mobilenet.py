"""MobileNet V1 (and what ProxylessNAS shares with it): published sizes, pricing, a training step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from network_sizes import macs, parameters, traced, widths
from torch import nn

import hwcost
from hwcost.errors import BadOption
from hwcost.quant import QuantAvgPool2d, QuantConv2d
from hwcost.zoo import mobilenet, proxylessnas
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import ProxylessNASMobile14

FOUR = Precision(4, 4)
SIDE = 64
SMALL: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: MobileNetV1(FOUR, width=0.25, image=SIDE, classes=10),
    "mobilenet learned": lambda: MobileNetV1(Precision(2, 2, learned=True), width=0.25, image=SIDE, classes=10),
    "mobilenet float": lambda: MobileNetV1(None, width=0.25, image=SIDE, classes=10),
    "proxyless": lambda: ProxylessNASMobile14(FOUR, image=SIDE, classes=10),
    "proxyless 4b5b": lambda: ProxylessNASMobile14(FOUR, depthwise=Precision(5, 5), image=SIDE, classes=10),
    "proxyless hadamard": lambda: ProxylessNASMobile14(FOUR, hadamard=True, image=SIDE, classes=10),
    "proxyless learned": lambda: ProxylessNASMobile14(Precision(2, 2, learned=True), image=SIDE, classes=10),
    "proxyless float": lambda: ProxylessNASMobile14(None, image=SIDE, classes=10),
}


def test_mobilenet_has_the_published_sizes_and_widths() -> None:
    """4.2 million and 569 million: arXiv:1704.04861, table 4; 4,231,976: osmr/imgclsmob, pytorchcv/models/mobilenet."""
    net = mobilenet.reference()
    pipeline = traced(net)
    assert parameters(net) == 4_231_976
    assert macs(pipeline) == 568_740_352
    found = widths(pipeline)
    assert found.pop("features.init_block.conv") == (8, 8)
    assert set(found.values()) == {(4, 4)} and len(found) == 27
    assert {layer.output.range.bits.item() for layer in pipeline.layers() if layer.name == "final_pool"} == {4}


@pytest.mark.parametrize("name", SMALL)
def test_a_step_trains_every_parameter(name: str) -> None:
    net = SMALL[name]()
    net(torch.rand(2, 3, SIDE, SIDE)).square().mean().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), key
    stem = next(module for module in net.modules() if isinstance(module, QuantConv2d))
    assert stem.weight.grad is not None and bool((stem.weight.grad != 0).any())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SMALL if "learned" in name])
def test_every_learned_width_has_a_price(name: str) -> None:
    pipeline = traced(SMALL[name](), SIDE)
    model = hwcost.Dataflow(device="xczu7ev", folding=hwcost.target_fps(pipeline, 100))
    used = hwcost.hardware_cost(pipeline, model)
    assert used["LUT"].item() > 1_000
    assert used["LUT"].requires_grad


@pytest.mark.slow
@pytest.mark.parametrize("build", [mobilenet.reference, proxylessnas.reference], ids=["mobilenet", "proxyless"])
def test_a_step_at_full_size(build: Callable[[], nn.Module]) -> None:
    net = build()
    scores = net(torch.rand(2, 3, 224, 224))
    assert scores.shape == (2, 1000)
    scores.square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("image", [0, 33])
def test_images_that_do_not_shrink_to_whole_maps_are_refused(image: int) -> None:
    for build in (MobileNetV1, ProxylessNASMobile14):
        with pytest.raises(BadOption, match=f"image={image}"):
            build(FOUR, image=image)


def test_the_average_is_a_sum_and_a_shift() -> None:
    net = SMALL["mobilenet"]()
    pool = net.final_pool
    assert isinstance(pool, QuantAvgPool2d) and (pool.least, pool.most, pool.kernel_size) == (4, 4, 2)
