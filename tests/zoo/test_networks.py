"""Every network of the zoo: published sizes, a training step that lowers the loss, and prices."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hwcost
from hwcost.cli.network import NETWORKS, pipeline_of
from hwcost.graph.spec import MatVec
from hwcost.zoo.autoencoder import Autoencoder, reconstruction_error
from hwcost.zoo.cnv import QuantCNV
from hwcost.zoo.keywords import DSCNN
from hwcost.zoo.mlp import finn_mlp
from hwcost.zoo.precision import Precision
from hwcost.zoo.resnet import ResNet8

FOUR, LEARNED = Precision(4, 4), Precision(2, 2, learned=True)
SIDES, CHANNELS = (30, 28, 12, 10, 3, 1), (3, 64, 64, 128, 128, 256, 256)
CNV = sum(9 * side**2 * before * after for side, (before, after) in zip(SIDES, pairwise(CHANNELS), strict=True))
CNV += 512 * (256 + 512 + 10)
DS_CNN = 125 * 64 * (40 + 4 * (9 + 64)) + 5 * 64 * 10
SHAPES: dict[str, tuple[Callable[[Precision | None], nn.Module], tuple[int, ...], int]] = {
    "tfc": (lambda precision: finn_mlp("tfc", precision), (1, 28, 28), 784 * 64 + 2 * 64 * 64 + 64 * 10),
    "sfc": (lambda precision: finn_mlp("sfc", precision), (1, 28, 28), 784 * 256 + 2 * 256 * 256 + 256 * 10),
    "cnv": (QuantCNV, (3, 32, 32), CNV),
    "resnet8": (ResNet8, (3, 32, 32), 12_501_632),
    "ds-cnn": (lambda precision: DSCNN(precision, classes=10), (1, 49, 10), DS_CNN),
    "autoencoder": (Autoencoder, (640,), 264_192),
}
"""Network: factory, sample, multiply-adds (of the sources that its module names)."""


def macs(pipeline: hwcost.Pipeline) -> int:
    blocks = [block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    return sum(block.rows * block.groups * block.cols * block.vectors for block in blocks)


@pytest.mark.parametrize("precision", [FOUR, LEARNED], ids=["4 bits", "learned"])
@pytest.mark.parametrize("name", SHAPES)
def test_multiply_adds_and_a_price(name: str, precision: Precision) -> None:
    build, shape, expected = SHAPES[name]
    pipeline = hwcost.trace(build(precision), torch.zeros(1, *shape), input_bits=8)
    assert macs(pipeline) == expected
    used = hwcost.hardware_cost(pipeline, hwcost.Dataflow(device="ZCU104", folding=hwcost.target_fps(pipeline, 100)))
    assert used["LUT"].item() > 500 and used["LUT"].requires_grad == precision.learned


@pytest.mark.parametrize("precision", [None, FOUR, Precision(1, 1), LEARNED], ids=["float", "4", "1", "learned"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_few_steps_lower_the_loss(name: str, precision: Precision | None) -> None:
    if precision == Precision(1, 1) and name in ("resnet8", "ds-cnn", "autoencoder"):
        pytest.skip("has no published version of 1 bit")
    build, shape, _ = SHAPES[name]
    net = build(precision).train()
    x, y = torch.rand(8, *shape), torch.arange(8)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(4):
        loss = reconstruction_error(net, x).mean() if name == "autoencoder" else F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[1:]) < losses[0]
    assert all(parameter.grad is not None for parameter in net.parameters())


LARGE = re.compile("proxyless|mobilenet-v1")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if LARGE.match(n) else n for n in sorted(NETWORKS)]
)
def test_every_network_with_a_name_is_priced(name: str) -> None:
    pipeline, known = pipeline_of(name, None, None)
    folding = hwcost.target_fps(pipeline, known.fps, clock_mhz=known.clock_mhz)
    model = hwcost.Dataflow(device=known.device, folding=folding, clock_mhz=known.clock_mhz)
    estimate = hwcost.estimate(pipeline, model)
    assert estimate.fps >= known.fps and estimate.total["LUT"] > 270
