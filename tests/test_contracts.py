"""What every public object promises: it is copied, pickled, saved by PyTorch, compared and printed."""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from optuna.distributions import IntDistribution
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import hwcost
import hwcost.models
import hwcost.train.loop
from hwcost.graph.ranges import integers
from hwcost.models.folding.most_fps import most_fps
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


def through_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def through_torch(thing: Any) -> Any:
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def test_every_public_name_has_a_sample() -> None:
    for package in ("hwcost", "hwcost.models"):
        for name in import_module(package).__all__:
            public = getattr(import_module(package), name)
            if inspect.isfunction(inspect.unwrap(public)):
                assert through_pickle(public) is public
            elif inspect.isclass(public) and issubclass(public, Exception):
                again = through_pickle(public("conv1: 3 is wrong"))
                assert type(again) is public and str(again) == "conv1: 3 is wrong"
            else:
                assert name in SAMPLES.keys() | FORMS | PLAIN, f"{name}: add a sample"


@pytest.mark.parametrize("again", [copy, deepcopy, through_pickle, through_torch])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_copy_is_as_good(name: str, again: Callable[[Any], Any]) -> None:
    if name in UNPICKLED and again is not copy:
        pytest.skip("its tables hold local functions")
    thing = SAMPLES[name]()
    other = again(thing)
    assert type(other) is type(thing)
    assert isinstance(thing == other, bool)
    assert repr(thing) and repr(other)
    if type(thing).__eq__ is not object.__eq__ and name not in IDENTICAL:
        assert thing == other


@pytest.mark.parametrize("again", [deepcopy, through_pickle, through_torch])
def test_a_copy_prices_alike(again: Callable[[Any], Any]) -> None:
    _, pipeline, model = traced()
    models = [model, *(SAMPLES[name]() for name in ("Finn", "Generic", "Refolding"))]
    for one in models:
        with torch.no_grad():
            bill, other = hwcost.hardware_cost(pipeline, one), hwcost.hardware_cost(pipeline, again(one))
        assert {name: float(amount) for name, amount in bill.items()} == {n: float(a) for n, a in other.items()}
    priced = hwcost.price(pipeline, model)
    assert priced.amounts["LUT"].requires_grad and not again(priced).amounts["LUT"].requires_grad
    assert all(torch.equal(amount, priced.amounts[name]) for name, amount in again(priced).amounts.items())
    first, second = (hwcost.hardware_cost(one, model)["LUT"] for one in (pipeline, again(pipeline)))
    assert torch.equal(first, second) and second.requires_grad


def test_a_network_that_holds_its_hardware_can_be_averaged() -> None:
    net, pipeline, model = traced()
    holder = nn.Module()
    holder.net, holder.pipeline, holder.fpga = deepcopy(net), pipeline, model  # type: ignore[assignment] # no module
    assert AveragedModel(holder).module.fpga.folding == model.folding
