"""Recipes that search the floors of the learned widths and a budget; what a network has is left as published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optuna.distributions import FloatDistribution, IntDistribution
from torch import nn

from hwcost.errors import BadData
from hwcost.graph.ranges import Range
from hwcost.sweep.recipe import Params, Recipe
from hwcost.train.data import Data
from hwcost.train.loop import Training
from hwcost.zoo.precision import Precision

LEAST, HIGHEST = 2, 5
"""Floors of the learned widths that are tried, in bits."""


def floor_recipe(
    *,
    name: str,
    network: Callable[[Precision | None], nn.Module],
    data: Callable[[Path | None], Data],
    input: Range,
    example: tuple[int, ...],
    lut_budget: tuple[float, float],
    training: Training,
    device: str,
    fps: float,
    clock_mhz: float = 100.0,
) -> Recipe:
    """A sweep over the floors of weights' and activations' widths, and the LUT budget that training keeps to.

    Args:
        name, data, input, training, device, fps, clock_mhz, example: as in `Recipe`.
        network: its precision, or None for float -> a fresh network.
        lut_budget: smallest and largest budget.
    """
    least, full = lut_budget

    def quantized(params: Params) -> nn.Module:
        return network(Precision(params["weight_base"], params["activation_base"], learned=True))

    def anchor(base: int, budget: float) -> dict[str, float]:
        return {"weight_base": base, "activation_base": base, "lut_budget": budget}

    return Recipe(
        name=name,
        network=quantized,
        float_network=lambda: network(None),
        data=data,
        input=input,
        space={
            "weight_base": IntDistribution(LEAST, HIGHEST),
            "activation_base": IntDistribution(LEAST, HIGHEST),
            "lut_budget": FloatDistribution(least, full, log=True),
        },
        budget=lambda params: {"LUT": params["lut_budget"]},
        training=training,
        device=device,
        fps=fps,
        clock_mhz=clock_mhz,
        anchors=(anchor(4, full), anchor(LEAST, least), anchor(LEAST, (least * full) ** 0.5)),
        plain=anchor(LEAST, full) | {"activation_base": 1},  # `--bits` has all the room there is
        example=example,
    )


def from_path(name: str, what: str, load: Callable[[Path], Data]) -> Callable[[Path | None], Data]:
    """The `data` of a recipe that needs `--data`: `load` of its path.

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
