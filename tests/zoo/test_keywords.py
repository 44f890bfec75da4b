"""DS-CNN of MLPerf Tiny: spectra of floats that it quantizes itself, five time windows for the classifier."""

from __future__ import annotations

import torch

import hwcost
from hwcost.graph.spec import MatVec
from hwcost.quant import QuantAvgPool2d
from hwcost.zoo.keywords import DSCNN, SPECTRUM, recipe
from hwcost.zoo.precision import Precision


def test_its_input_needs_no_width() -> None:
    net = DSCNN(Precision(4, 4), classes=10)
    layers = {layer.name: layer for layer in hwcost.trace(net, torch.zeros(1, *SPECTRUM)).layers()}
    assert layers["features"].output.range.bits == 8 and layers["features"].output.range.signed
    assert layers["conv"].output.shape == (64, 25, 5) and layers["pool"].output.shape == (64, 5, 1)
    assert layers["fc"].inputs[0].shape == (320,)
    (first,) = (block for block in layers["depthwise1"].blocks if isinstance(block, MatVec))
    assert (first.groups, first.rows, first.cols) == (64, 1, 9)
    assert not recipe.input.known


def test_the_average_is_over_squares() -> None:
    net = DSCNN(None, classes=3, channels=2).eval()
    pool = net.pool
    assert isinstance(pool, QuantAvgPool2d)
    maps = torch.arange(2 * 25 * 5).reshape(1, 2, 25, 5).float()
    torch.testing.assert_close(pool(maps), maps.reshape(1, 2, 5, 25).mean(3)[..., None])
    assert net(torch.zeros(4, *SPECTRUM)).shape == (4, 3)
