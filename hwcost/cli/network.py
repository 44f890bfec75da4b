"""The networks that a command can name: built-in ones, recipes, and factories of the user."""

from __future__ import annotations

import torch

from hwcost.errors import BadOption
from hwcost.models import Dataflow, target_fps
from hwcost.models.device import device
from hwcost.ranges import integers
from hwcost.recipe import Recipe, ask, load_object
from hwcost.trace import Pipeline, trace

RECIPES = {
    "digits": "hwcost.zoo.digits:recipe",
    "fashion-mnist": "hwcost.zoo.fashion_mnist:recipe",
}
NETWORKS = {
    "lenet": "hwcost.zoo.lenet:reference",
    "cnv-w1a1": "hwcost.zoo.cnv:w1a1",
    "cnv-w2a2": "hwcost.zoo.cnv:w2a2",
}


class Defaults:
    """What `hwcost estimate` assumes of a bare network."""

    device, fps, clock_mhz = "xc7z020", 1_000.0, 100.0


def pipeline_of(network: str, shape: str | None, input_bits: int | None) -> tuple[Pipeline, Recipe | type[Defaults]]:
    """The traced network that a command names, and what to price it with where nothing else is said.

    Args:
        network: a name of RECIPES or NETWORKS, package.module:name or file.py:name.
        shape: of one sample, e.g. "3,32,32"; None for a recipe.
        input_bits: of the unsigned input; None for a recipe, or for 8.

    Raises:
        BadOption, BadRecipe: what is wrong with the name or with what it leads to.
    """
    built_in = RECIPES | NETWORKS
    found = load_object(built_in.get(network, network), built_in)
    if isinstance(found, Recipe):
        if shape is not None or input_bits is not None:
            raise BadOption(f"{network}: a recipe says itself what enters; leave --input and --input-bits out")
        if found.example is None:
            raise BadOption(f"{network}: the recipe has no example; add example=, the shape of one sample")
        net = ask(f"{network}: its network()", found.network, found.first_tries[0])
        return trace(net, torch.zeros(1, *found.example), input_range=found.input), found
    if not callable(found):
        raise BadOption(f"{network}: {type(found).__name__} is no function that returns a network")
    net = ask(network, found)
    if not isinstance(net, torch.nn.Module):
        raise BadOption(f"{network}: returned {type(net).__name__}, not a torch.nn.Module")
    if network in NETWORKS:
        shape = shape or "3,32,32"
    if shape is None:
        raise BadOption(f"{network}: give the shape of one sample, e.g. --input 3,32,32")
    example = torch.zeros(1, *_parse_shape(shape))
    return trace(net, example, input_range=integers(8 if input_bits is None else input_bits, signed=False)), Defaults


def folded(
    network: str,
    shape: str | None,
    input_bits: int | None,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
) -> tuple[Pipeline, Dataflow]:
    """A named network and its hardware: the options, or what the network says itself.

    Args:
        network, shape, input_bits: as in `pipeline_of`.
        part, fps, clock_mhz: the options of a part; None where not given.
    """
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    clock = defaults.clock_mhz if clock_mhz is None else clock_mhz
    folding = target_fps(pipeline, defaults.fps if fps is None else fps, clock_mhz=clock)
    target = device(defaults.device if part is None else part)
    return pipeline, Dataflow(device=target, folding=folding, clock_mhz=clock)


def _parse_shape(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise BadOption(f"--input {text}: give whole numbers above 0, e.g. 3,32,32")
    return sizes
