"""Networks that a command can name: built-in networks, recipes, and factories of the user."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import torch

from hwcost.errors import BadOption
from hwcost.graph.call import Describes
from hwcost.graph.ranges import between, integers
from hwcost.graph.trace import Pipeline, trace
from hwcost.importers.brevitas import from_brevitas
from hwcost.importers.qonnx import from_qonnx
from hwcost.quant import PRESETS, convert
from hwcost.sweep.recipe import Recipe, load_object
from hwcost.sweep.trust import RECIPES as RECIPES
from hwcost.sweep.trust import named
from hwcost.sweep.user_call import ask, built
from hwcost.sweep.width_space import hold_widths

MOST_VALUES = 2**26
"""Values of a sample, at most: an image of 4,700 by 4,700 in colour, and no more than memory holds of it."""


def find_recipe(reference: str) -> Recipe:
    """Load a recipe by the name that the command line gives it."""
    return named(reference, RECIPES)


class Defaults(Protocol):
    """Part, target frame rate and clock where none is given; a `Recipe` has its own."""

    @property
    def device(self) -> str:
        """Part or board, by name."""
        ...

    @property
    def fps(self) -> float:
        """Target frame rate, frames/s."""
        ...

    @property
    def clock_mhz(self) -> float:
        """Clock of the fabric, in MHz."""
        ...


@dataclass(frozen=True)
class Reference:
    """A bare network, and the defaults for its hardware.

    Attributes:
        factory: `package.module:name` of a function without arguments.
        shape: shape of one sample; empty if unknown.
        device, fps, clock_mhz: part, target frame rate and clock where none is given.
    """

    factory: str = ""
    shape: str = ""
    device: str = "xc7z020"
    fps: float = 1_000.0
    clock_mhz: float = 100.0


COLOUR, GREY, IMAGENET = "3,32,32", "1,28,28", "3,224,224"
NETWORKS = {
    "lenet": Reference("hwcost.zoo.lenet:reference", COLOUR),
    "cnv-w1a1": Reference("hwcost.zoo.cnv:w1a1", COLOUR),
    "cnv-w1a2": Reference("hwcost.zoo.cnv:w1a2", COLOUR),
    "cnv-w2a2": Reference("hwcost.zoo.cnv:w2a2", COLOUR),
    "tfc-w1a1": Reference("hwcost.zoo.mlp:tfc_w1a1", GREY),
    "sfc-w1a1": Reference("hwcost.zoo.mlp:sfc_w1a1", GREY),
    "lfc-w1a1": Reference("hwcost.zoo.mlp:lfc_w1a1", GREY),
    "autoencoder": Reference("hwcost.zoo.autoencoder:reference", "640"),
    "mobilenet-v1": Reference("hwcost.zoo.mobilenet:reference", IMAGENET, "xczu7ev", 100.0, 200.0),
    "proxylessnas": Reference("hwcost.zoo.proxylessnas:reference", IMAGENET, "xczu7ev", 100.0, 200.0),
    "proxylessnas-4b5b": Reference("hwcost.zoo.proxylessnas:mixed", IMAGENET, "xczu7ev", 100.0, 200.0),
    "proxylessnas-hadamard": Reference("hwcost.zoo.proxylessnas:with_hadamard", IMAGENET, "xczu7ev", 100.0, 200.0),
}
"""Networks as published, for `estimate`, `export` and `verify`; `sweep` takes the recipe of the same name."""


def pipeline_of(
    network: str, shape: str | None, input_bits: int | None, quantize: str | None = None
) -> tuple[Pipeline, Defaults]:
    """Trace the network that a command names; the defaults for its hardware come with it.

    Args:
        network: a name of RECIPES or NETWORKS, package.module:name or file.py:name, or a QONNX file.
        shape: shape of one sample, e.g. "3,32,32"; None for a recipe or a file.
        input_bits: width of the unsigned input; None for a recipe, or for 8.
        quantize: name of a preset of `hwcost.quant.PRESETS` that makes a float network a quantized one; None for one
            that is quantized already. A Brevitas network is read by `from_brevitas`.

    Raises:
        BadOption, BadRecipe: the name, or the object that it leads to, is wrong.
    """
    if quantize is not None and (network.endswith(".onnx") or network in RECIPES | NETWORKS):
        raise BadOption(f"{network}: it is quantized already; omit --quantize")
    if network.endswith(".onnx"):
        return _from_file(network, shape, input_bits), Reference()
    built_in = RECIPES | {name: reference.factory for name, reference in NETWORKS.items()}
    found = load_object(built_in.get(network, network), built_in)
    if isinstance(found, Recipe):
        if quantize is not None:
            raise BadOption(f"{network}: a recipe quantizes its own network; omit --quantize")
        if shape is not None or input_bits is not None:
            raise BadOption(f"{network}: a recipe defines its own input; omit --input and --input-bits")
        if found.example is None:
            raise BadOption(f"{network}: the recipe has no example; add example=, the shape of one sample")
        net = ask(f"{network}: its network()", found.network, found.first_tries[0])
        hold_widths(net, found.fixed)
        return trace(net, _zeros(network, found.example), input_range=found.input), found
    net = built(network, found)
    known = NETWORKS.get(network, Reference())
    if shape is None and not (shape := known.shape):
        raise BadOption(f"{network}: give the shape of one sample, e.g. --input 3,32,32")
    example = _example(network, parse_shape(shape))
    entering = integers(8 if input_bits is None else input_bits, signed=False)
    if rows := _token_rows(net, example):
        if input_bits is not None:
            raise BadOption(f"{network}: its input are tokens, 0 to {rows - 1} by its embedding; omit --input-bits")
        example, entering = example.long(), between(0, rows - 1)
    return trace(_quantized(network, net, example, quantize), example, input_range=entering), known


def _token_rows(net: torch.nn.Module, example: torch.Tensor) -> int:
    """Rows of the embedding that reads the input itself; 0 where none does."""
    tables = [module for module in net.modules() if isinstance(module, torch.nn.Embedding)]
    tokens, rows = example.long(), 0

    def reads(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        nonlocal rows
        if given and given[0] is tokens:
            rows = int(module.num_embeddings)  # type: ignore[arg-type]

    hooks = [table.register_forward_pre_hook(reads) for table in tables]
    try:
        with torch.no_grad(), suppress(Exception):  # what is wrong with the network, its trace says
            if tables:
                net(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _quantized(network: str, net: torch.nn.Module, example: torch.Tensor, quantize: str | None) -> torch.nn.Module:
    """The network with quantizers: its own, those of Brevitas, or those of a preset."""
    if any(type(module).__module__.split(".")[0] == "brevitas" for module in net.modules()):
        if quantize is not None:
            raise BadOption(f"{network}: Brevitas quantizes it already; omit --quantize")
        return from_brevitas(net, example)
    if quantize is not None:
        return convert(net, quantize, example=example)
    if not any(isinstance(module, Describes) for module in net.modules()):
        raise BadOption(
            f"{network}: a float network, which has no bit-widths; add --quantize, one of {', '.join(PRESETS)}"
        )
    return net


def _from_file(file: str, shape: str | None, input_bits: int | None) -> Pipeline:
    if shape is not None or input_bits is not None:
        raise BadOption(f"{file}: the file defines its own input; omit --input and --input-bits")
    net = from_qonnx(file)
    return trace(net, _example(file, net.shape))


def _zeros(network: str, example: Any) -> Any:
    """The sample of a recipe: of its one input, or of several."""
    if isinstance(example, Mapping):
        return {name: _example(network, shape) for name, shape in example.items()}
    several = any(isinstance(one, tuple) for one in example)
    return tuple(_example(network, shape) for shape in example) if several else _example(network, example)


def _example(network: str, shape: tuple[int, ...]) -> torch.Tensor:
    """One sample of zeros to find the shapes with."""
    if prod(shape) > MOST_VALUES:
        raise BadOption(f"{network}: {prod(shape):,} values in a sample of {shape}; give at most {MOST_VALUES:,}")
    return torch.zeros(1, *shape)


def parse_shape(text: str) -> tuple[int, ...]:
    """Read the shape of one sample from its text, e.g. 3,32,32.

    Raises:
        BadOption: it has another form.
    """
    try:
        sizes = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise BadOption(f"--input {text}: give whole numbers above 0, e.g. 3,32,32")
    return sizes


def input_step(pipeline: Pipeline) -> float | None:
    """Value of one integer that enters a network of an input range in [0, 1); None where floats enter."""
    known = [one.range for one in pipeline.inputs if one.range.known]
    return 2.0 ** -float(known[0].bits.detach()) if known else None
