"""Any number of labels for a sample, judged by the mean average precision."""

from pathlib import Path

import torch

import hwcost
from hwcost.graph.ranges import integers
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


def chords(path: Path | None) -> hwcost.Data:
    """Spectra of 32 bands, uint8, in which any of six tones sound at once."""
    draw = torch.Generator().manual_seed(0)
    tones = torch.rand(6, 32, generator=draw).pow(4)

    def split(count: int) -> hwcost.Split:
        sounding = (torch.rand(count, 6, generator=draw) < 0.3).long()
        bands = 90 * sounding.float() @ tones + 25 * torch.rand(count, 32, generator=draw)
        return hwcost.Split(bands.clamp(0, 255).to(torch.uint8), sounding)

    return hwcost.Data(name="chords", train=split(600), validation=split(200), test=split(200))


recipe = hwcost.Recipe(
    name="chords", data=chords, input=integers(8, signed=False), task=hwcost.MULTILABEL, example=(32,),
    training=hwcost.Training(epochs=8, batch=32, lr=1e-2), device="PYNQ-Z1", fps=100_000,
    **floors(lambda precision: MLP((32, 24, 16, 6), precision)),
)  # fmt: skip
