"""A recipe that trains in a blink: 16 samples of each of three artificial classes; a file can make it hang."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.graph.ranges import between
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.sweep.recipe import Params, Recipe
from hwcost.train.data import Data, Split
from hwcost.train.loop import Training

FPS = 400_000

HANG = Path(__file__).with_name("hang")
"""A file with the path of a study: the trial after its second checkpoint never ends."""


class TinyNet(nn.Sequential):
    """conv - norm - ReLU - pool - dense."""

    def __init__(self, base: int | None) -> None:
        def weight(per_channel: bool = True):  # type: ignore[no-untyped-def]
            return None if base is None else learned_weight(bits=base + 3, base=base, per_channel=per_channel)

        activation = None if base is None else learned_activation(bits=base + 3, base=base, max_val=4.0)
        super().__init__(
            QuantConv2d(1, 4, 3, padding=1, bias=False, weight_quant=weight()),
            nn.BatchNorm2d(4),
            QuantReLU(activation),
            nn.MaxPool2d(2),
            nn.Flatten(),
            QuantLinear(16, 3, bias=False, weight_quant=weight(per_channel=False)),
        )

    def forward(self, input: Tensor) -> Tensor:
        if self.training and HANG.exists():
            study = Path(HANG.read_text())
            if len(list(study.glob("checkpoints/trial-*.pt"))) >= 2:
                print("hanging", flush=True)
                for _ in range(12_000):
                    time.sleep(0.05)  # ten minutes of naps: a signal just before one long sleep would wait for its end
        return super().forward(input)


def made(path: Path | None) -> Data:
    """Three noisy patterns of 4x4 pixels, integers 0 to 15 in steps of 1/16."""
    draw = torch.Generator().manual_seed(3)
    patterns = torch.randint(0, 16, (3, 1, 4, 4), generator=draw)

    def split(each: int) -> Split:
        y = torch.arange(3).repeat(each)
        noise = torch.randint(-5, 6, (len(y), 1, 4, 4), generator=draw)
        return Split((patterns[y] + noise).clamp(0, 15) / 16, y)

    return Data(name="made", train=split(16), validation=split(7), test=split(6), classes=3, fingerprint="made-1")


def _network(params: Params) -> TinyNet:
    return TinyNet(params["base"])


def luts(bits: int) -> float:
    """LUTs of the network with every width at `bits`."""
    net = TinyNet(2)
    for width in learned_widths(net).values():
        nn.init.constant_(width.offset, bits - 2)
    pipeline = trace(net, torch.zeros(1, 1, 4, 4), input_range=between(0, 15))
    model = Dataflow(device="PYNQ-Z1", folding=target_fps(pipeline, FPS))
    return float(hardware_cost(pipeline, model)["LUT"].detach())


TIGHT, LOOSE = round(1.05 * luts(3)), round(0.95 * luts(8))
"""Budgets that the network reaches, whatever the constants of the hardware model are."""

SPACE: dict[str, BaseDistribution] = {
    "base": IntDistribution(2, 5),
    "lut_budget": FloatDistribution(TIGHT, LOOSE, log=True),
}

recipe = Recipe(
    name="tiny",
    network=_network,
    float_network=lambda: TinyNet(None),
    data=made,
    input=between(0, 15),
    space=SPACE,
    budget=lambda params: {"LUT": params["lut_budget"]},
    training=Training(epochs=6, batch=16, lr=2e-2, width_lr=2.0, budget_strength=20.0),
    device="PYNQ-Z1",
    fps=FPS,
    anchors=({"base": 5, "lut_budget": float(LOOSE)}, {"base": 2, "lut_budget": float(TIGHT)}),
    example=(1, 4, 4),
)

roomy = replace(recipe, plain=recipe.anchors[1])
"""With `bits`, its narrowest network is searched, so that every width has room."""
