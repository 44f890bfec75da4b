"""Searches over the floors of the learned widths and a budget; the network itself stays as published."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import nn

from hwcost.errors import BadData
from hwcost.sweep.recipe import Params
from hwcost.train.data import Data
from hwcost.zoo.precision import Precision

LEAST, HIGHEST = 2, 5
"""Smallest and largest floor of a learned width that is tried, in bits."""


class Searched(TypedDict):
    """The fields of a `Recipe` that define its search: `Recipe(name=..., data=..., **floors(...))`."""

    network: Callable[[Params], nn.Module]
    float_network: Callable[[], nn.Module]
    space: Mapping[str, BaseDistribution]
    budget: Callable[[Params], Mapping[str, float]]
    anchors: tuple[Params, ...]
    plain: Params


def floors(network: Callable[[Precision | None], nn.Module], lut_budget: tuple[float, float]) -> Searched:
    """Search the floors of the weights' and the activations' widths, and the LUT budget that training keeps to.

    Args:
        network: precision, or None for float -> a fresh network.
        lut_budget: smallest and largest budget, in LUTs.
    """
    least, full = lut_budget

    def anchor(base: int, budget: float) -> dict[str, float]:
        return {"weight_base": base, "activation_base": base, "lut_budget": budget}

    return {
        "network": lambda params: network(Precision(params["weight_base"], params["activation_base"], learned=True)),
        "float_network": lambda: network(None),
        "space": {
            "weight_base": IntDistribution(LEAST, HIGHEST),
            "activation_base": IntDistribution(LEAST, HIGHEST),
            "lut_budget": FloatDistribution(least, full, log=True),
        },
        "budget": lambda params: {"LUT": params["lut_budget"]},
        "anchors": (anchor(4, full), anchor(LEAST, least), anchor(LEAST, (least * full) ** 0.5)),
        "plain": anchor(LEAST, full) | {"activation_base": 1},  # the lowest floors: all room for `--bits`
    }


def from_path(name: str, what: str, load: Callable[[Path], Data]) -> Callable[[Path | None], Data]:
    """Make the `data` of a recipe that needs `--data`.

    Args:
        name: of the recipe, for the message.
        what: the files to name, for the message.
        load: path -> data set.
    """

    def data(path: Path | None) -> Data:
        if path is None:
            raise BadData(f"{name}: no data; give --data with {what}")
        return load(path)

    return data
