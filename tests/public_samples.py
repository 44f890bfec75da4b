"""One object of every public kind, in a module that other processes can import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from optuna.distributions import IntDistribution
from torch import Tensor, nn

import hwcost
import hwcost.models
import hwcost.train.loop
from hwcost.graph.ranges import integers
from hwcost.models.folding.most_fps import most_fps
from hwcost.models.mixed import Mixed
from hwcost.models.shell import shell
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, learned_weight


class Net(nn.Module):
    """A module, a function, a method of tensors: every kind of step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = QuantConv2d(1, 2, 3, weight_quant=learned_weight(bits=4))
        self.act = QuantReLU(const_activation(bits=3))
        self.fc = QuantLinear(2, 3, bias=True, weight_quant=learned_weight(bits=3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.act(self.conv(x)), 2)
        scores: Tensor = self.fc(x.flatten(1))
        return scores


def no_data(path: Path | None) -> hwcost.Data:
    raise FileNotFoundError(path)


def budget(params: Mapping[str, Any]) -> Mapping[str, float]:
    return {"LUT": 100.0}


def network(params: Mapping[str, Any]) -> nn.Module:
    return Net()


@cache
def traced() -> tuple[Net, hwcost.Pipeline, hwcost.Dataflow]:
    net = Net()
    pipeline = hwcost.trace(net, torch.zeros(1, 1, 4, 4), input_bits=4)
    return net, pipeline, hwcost.Dataflow(device="xc7z020", folding=hwcost.target_fps(pipeline, 1e5))


def split() -> hwcost.Split:
    return hwcost.Split(torch.zeros(2, 3), torch.tensor([0, 1]))


def placed() -> list[hwcost.models.Placed]:
    return list(hwcost.models.place(traced()[1].layers()))


SAMPLES: dict[str, Callable[[], Any]] = {
    "Bill": lambda: hwcost.price(*traced()[1:]),
    "CLASSIFICATION": lambda: hwcost.CLASSIFICATION,
    "MULTILABEL": lambda: hwcost.MULTILABEL,
    "RECONSTRUCTION": lambda: hwcost.RECONSTRUCTION,
    "SEGMENTATION": lambda: hwcost.SEGMENTATION,
    "Budget": lambda: hwcost.Budget({"LUT": 100.0}),
    "Data": lambda: hwcost.Data(
        name="tiny", train=split(), validation=split(), test=split(), classes=2, fingerprint="0"
    ),
    "Dataflow": lambda: traced()[2],
    "Design": lambda: most_fps(traced()[1], device="xc7z020"),
    "Device": lambda: hwcost.devices()[0],
    "Headroom": lambda: hwcost.Headroom(0.5),
    "Estimate": lambda: hwcost.estimate(*traced()[1:]),
    "Finn": lambda: hwcost.Finn(device="xc7z020", folding=traced()[2].folding),
    "Fold": lambda: hwcost.Fold(2, 3),
    "Folding": lambda: traced()[2].folding,
    "Formula": lambda: hwcost.FORMULAS[type(placed()[-1].block)],
    "FORMULAS": lambda: hwcost.FORMULAS,
    "Generic": lambda: hwcost.Generic(),
    "Hardware": lambda: hwcost.train.loop.Hardware(*traced()[1:]),
    "Job": lambda: traced()[2].plan(placed())[1],
    "LiveCost": lambda: hwcost.LiveCost(*traced()),
    "Pipeline": lambda: traced()[1],
    "Placed": lambda: placed()[1],
    "Recipe": lambda: hwcost.Recipe(
        name="tiny", network=network, float_network=Net, data=no_data, input=integers(4, signed=False),
        space={"bits": IntDistribution(1, 8)}, budget=budget, device="xc7z020", fps=1e3,
    ),
    "Mixed": lambda: Mixed(
        (folded := traced()[2]), hwcost.Unrolled(device=folded.device, clock_mhz=folded.clock_mhz), ["fc"]
    ),
    "Refolding": lambda: hwcost.Refolding(1e5, device="xc7z020"),
    "RULES": lambda: hwcost.RULES,
    "Setting": lambda: traced()[2].setting,
    "Shell": lambda: shell("pynq"),
    "Split": split,
    "Study": lambda: hwcost.Study(Path("reports/digits")),
    "Task": lambda: hwcost.Recipe.__dataclass_fields__["task"].default,
    "Training": lambda: hwcost.Training(),
    "Unrolled": lambda: hwcost.Unrolled(device="xc7z020", reuse={"fc": 2}),
    "WidthPrices": lambda: hwcost.WidthPrices(*traced()),
}  # fmt: skip

FORMS = {"HwcostError", "HardwareModel"}
"""An error is raised, and a protocol implemented: neither has instances to copy."""

PLAIN = {"AREAS", "RESOURCES"}

UNPICKLED = {"RULES"}
"""One of the keys of RULES, F.max_pool2d, is a local function of PyTorch."""

IDENTICAL = {"FORMULAS", "Hardware", "Pipeline", "Recipe", "RULES"}
"""What holds tensors, models or functions is equal to itself alone."""
