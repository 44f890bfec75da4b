"""A label for each pixel, judged by the mean intersection over union."""

from pathlib import Path

import torch
from torch import nn

import hwcost
from hwcost.graph.ranges import integers
from hwcost.quant import QuantConv2d
from hwcost.zoo.floors import floors
from hwcost.zoo.precision import Precision, relu, weight


def shapes(path: Path | None) -> hwcost.Data:
    """Noisy pictures of 16 by 16 pixels: a bright square (1) and a dark one (2) on grey (0)."""
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> hwcost.Split:
        x = torch.full((count, 1, 16, 16), 110) + torch.randint(-40, 41, (count, 1, 16, 16), generator=draw)
        labels = torch.zeros(count, 16, 16, dtype=torch.int64)
        for kind, shift in ((1, 70), (2, -60)):
            for at, (row, column) in enumerate(torch.randint(0, 10, (count, 2), generator=draw).tolist()):
                labels[at, row : row + 6, column : column + 6] = kind
                x[at, 0, row : row + 6, column : column + 6] += shift
        return hwcost.Split(x.clamp(0, 255) / 256, labels)

    return hwcost.Data(name="shapes", train=split(192), validation=split(64), test=split(64), classes=3)


def network(precision: Precision | None) -> nn.Module:
    """Two convolutions, and a score for each class at each pixel."""
    return nn.Sequential(
        QuantConv2d(1, 8, 3, padding=1, bias=False, weight_quant=weight(precision)), nn.BatchNorm2d(8), relu(precision),
        QuantConv2d(8, 8, 3, padding=1, bias=False, weight_quant=weight(precision)), nn.BatchNorm2d(8), relu(precision),
        QuantConv2d(8, 3, 1, bias=False, weight_quant=weight(precision, per_channel=False)),
    )  # fmt: skip


recipe = hwcost.Recipe(
    name="shapes", data=shapes, input=integers(8, signed=False), task=hwcost.SEGMENTATION, example=(1, 16, 16),
    training=hwcost.Training(epochs=6, batch=32, lr=2e-2), device="PYNQ-Z1", fps=5_000,
    **floors(network),
)  # fmt: skip
