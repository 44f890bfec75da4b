"""Searches over the floors of the learned widths and a budget; the network itself stays as published."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import nn

from hwcost.errors import BadData
from hwcost.sweep.headroom import Headroom
from hwcost.sweep.recipe import Params
from hwcost.train.data import Data
from hwcost.zoo.precision import Precision

LEAST, HIGHEST = 2, 5
"""Smallest and largest floor of a learned width that is tried, in bits."""

ROOMIEST = 0.5
"""Largest share of the headroom that is tried: what lies above it is what higher floors cost, with less to choose."""


class Searched(TypedDict):
    """The fields of a `Recipe` that define its search: `Recipe(name=..., data=..., **floors(...))`."""

    network: Callable[[Params], nn.Module]
    float_network: Callable[[], nn.Module]
    space: Mapping[str, BaseDistribution]
    budget: Callable[[Params], Mapping[str, Headroom]]
    anchors: tuple[Params, ...]
    plain: Params


def floors(network: Callable[[Precision | None], nn.Module]) -> Searched:
    """Search the floors of the weights' and the activations' widths, and the LUT budget that training keeps to.

    The budget lies between the LUTs of the network at its floors and at the start, so that every trial can keep it.

    Args:
        network: precision, or None for float -> a fresh network.
    """

    def anchor(base: int, share: float) -> dict[str, float]:
        return {"weight_base": base, "activation_base": base, "lut_headroom": share}

    return {
        "network": lambda params: network(Precision(params["weight_base"], params["activation_base"], learned=True)),
        "float_network": lambda: network(None),
        "space": {
            "weight_base": IntDistribution(LEAST, HIGHEST),
            "activation_base": IntDistribution(LEAST, HIGHEST),
            "lut_headroom": FloatDistribution(0, ROOMIEST),
        },
        "budget": lambda params: {"LUT": Headroom(params["lut_headroom"])},
        "anchors": (anchor(4, ROOMIEST), anchor(LEAST, 0.0), anchor(LEAST, ROOMIEST / 2)),
        "plain": anchor(LEAST, ROOMIEST) | {"activation_base": 1},  # the lowest floors: all room for `--bits`
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
