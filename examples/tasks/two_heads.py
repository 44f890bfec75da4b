"""Two outputs with a loss of both, and targets in a dict: which object it is, and where."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hwcost
from hwcost.graph.ranges import integers
from hwcost.quant import QuantLinear
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision, relu, weight


class TwoHeads(nn.Module):
    """A common part, then a score for each of three kinds, and a place."""

    def __init__(self, precision: Precision | None) -> None:
        super().__init__()
        self.body, self.relu = MLP((64, 32, 24), precision), relu(precision)
        self.kind = QuantLinear(24, 3, bias=False, weight_quant=weight(precision, per_channel=False))
        self.place = QuantLinear(24, 1, bias=False, weight_quant=weight(precision, per_channel=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 64) -> (N, 3) and (N, 1)."""
        hidden = self.relu(self.body(x))
        return self.kind(hidden), self.place(hidden)


def objects(path: Path | None) -> hwcost.Data:
    """Lines of 64 pixels with a bright object of width 4, 8 or 12."""
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> hwcost.Split:
        kind, place = torch.randint(0, 3, (count,), generator=draw), 12 + 40 * torch.rand(count, generator=draw)
        bright = (torch.arange(64) - place[:, None]).abs() < 2 + 2 * kind[:, None]
        x = 60 + 120 * bright + torch.randint(-50, 51, (count, 64), generator=draw)
        return hwcost.Split(x / 256, {"kind": kind, "place": (place - 32) / 20})

    return hwcost.Data(name="objects", train=split(600), validation=split(200), test=split(200))


def both(out: tuple[Tensor, Tensor], x: Tensor, y: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the kind and squared error of the place."""
    return F.cross_entropy(out[0], y["kind"]) + F.mse_loss(out[1][:, 0], y["place"])


def found(out: tuple[Tensor, Tensor], x: Tensor, y: dict[str, Tensor]) -> Tensor:
    """Whether the kind is right and the place no farther away than 4 pixels."""
    return (out[0].argmax(1) == y["kind"]) & ((out[1][:, 0] - y["place"]).abs() < 0.2)


def share(hits: Tensor, y: Any) -> Tensor:
    """Share of the objects that were found."""
    return hits.float().mean()


recipe = hwcost.Recipe(
    name="objects", data=objects, input=integers(8, signed=False), example=(64,),
    task=hwcost.Task(name="objects found", loss=both, judge=found, score=share, unit="%",
                     outputs=lambda data: ((3,), (1,))),
    training=hwcost.Training(epochs=8, batch=32, lr=2e-2), device="PYNQ-Z1", fps=50_000,
    **floors(TwoHeads),
)  # fmt: skip
