"""A trigger of one output: how much signal passes at one false alarm in a hundred."""

from pathlib import Path

import torch

import hwcost
from hwcost.graph.ranges import integers
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


def pulses(path: Path | None) -> hwcost.Data:
    """Sixteen 8-bit samples of a line that carries a pulse (1) or noise (0)."""
    draw = torch.Generator().manual_seed(0)
    pulse = 60 * torch.exp(-((torch.arange(16) - 8.0) ** 2) / 6)

    def split(count: int) -> hwcost.Split:
        y = (torch.rand(count, 1, generator=draw) < 0.5).float()
        line = 100 + y * pulse * torch.rand(count, 1, generator=draw) + 15 * torch.randn(count, 16, generator=draw)
        return hwcost.Split(line.round().clamp(0, 255) / 256, y)

    return hwcost.Data(name="pulses", train=split(1500), validation=split(800), test=split(800))


recipe = hwcost.Recipe(
    name="pulses", data=pulses, input=integers(8, signed=False), task=hwcost.efficiency(0.01), example=(16,),
    training=hwcost.Training(epochs=6, batch=64, lr=1e-2), device="PYNQ-Z1", fps=50_000_000, clock_mhz=200,
    **floors(lambda precision: MLP((16, 8, 1), precision)),
)  # fmt: skip
