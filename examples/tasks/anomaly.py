"""Faults that no training sample shows: an autoencoder, judged by the area under the ROC curve."""

from pathlib import Path

import torch

import hwcost
from hwcost.graph.ranges import unknown
from hwcost.zoo.autoencoder import Autoencoder
from hwcost.zoo.floors import floors


def sounds(path: Path | None) -> hwcost.Data:
    """Normal sounds (0) lie near a plane of three dimensions, faults (1) do not; training knows normal ones alone."""
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(3, 32, generator=draw) / 3**0.5

    def split(count: int, faults: int) -> hwcost.Split:
        y = (torch.arange(count) < faults).long()
        x = torch.randn(count, 3, generator=draw) @ mixing
        return hwcost.Split(x + (0.1 + 0.4 * y[:, None]) * torch.randn(count, 32, generator=draw), y)

    return hwcost.Data(name="sounds", train=split(512, 0), validation=split(200, 100), test=split(200, 100), classes=2)


recipe = hwcost.Recipe(
    name="sounds", data=sounds, input=unknown(), task=hwcost.RECONSTRUCTION, example=(32,),
    training=hwcost.Training(epochs=10, batch=64, lr=1e-2), device="PYNQ-Z1", fps=10_000,
    **floors(lambda precision: Autoencoder(precision, features=32)),
)  # fmt: skip
