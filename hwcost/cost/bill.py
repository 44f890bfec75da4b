"""The bill of a traced network: what each of its blocks costs at the live widths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from torch import Tensor

from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import Layer, MatVec
from hwcost.models import HardwareModel, Placed, place
from hwcost.models.resources import ChecksNames, HasLayers, layers_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Bill:
    """The cost of every block of a pipeline.

    Attributes:
        layers: the described layers.
        placed: the blocks, each with the name of its layer.
        amounts: resource -> (blocks,) float64, in the order of `placed`; differentiable.
    """

    layers: tuple[Layer, ...]
    placed: tuple[Placed, ...]
    amounts: dict[str, Tensor]

    def __getstate__(self) -> dict[str, object]:
        """Return what is pickled and deep-copied: the amounts without their gradient, which PyTorch refuses to copy."""
        return vars(self) | {"amounts": {resource: amount.detach() for resource, amount in self.amounts.items()}}

    def __copy__(self) -> Bill:
        return replace(self)

    def total(self) -> dict[str, Tensor]:
        """Resource -> () float64: sums of areas; "cycles" is the slowest block's."""
        return {resource: _gather(resource, amounts) for resource, amounts in self.amounts.items()}

    def of(self, layer: str) -> dict[str, float]:
        """Resource -> amount of one layer."""
        rows = [index for index, placed in enumerate(self.placed) if placed.layer == layer]
        return {
            resource: float(_gather(resource, amounts[rows]).detach()) for resource, amounts in self.amounts.items()
        }


def _gather(resource: str, amounts: Tensor) -> Tensor:
    if resource == "cycles":
        return amounts.amax() if len(amounts) else amounts.sum()
    return amounts.sum()


def price(pipeline: HasLayers, model: HardwareModel) -> Bill:
    """Describe the pipeline with its live widths and price every block.

    Raises:
        UnknownBlock: a block without a formula. UnknownPrecision: a signal without a width. BadOption: something else
            than a traced network or a hardware model, or a model with a choice for a layer that the pipeline does not
            have.
    """
    if not isinstance(model, HardwareModel):
        raise BadOption(f"a {type(model).__name__} prices no hardware; give a model such as Dataflow(device=..., ...)")
    layers = layers_of(pipeline)
    placed = tuple(place(layers))
    if not placed:
        raise BadOption("price: the pipeline has no hardware in it; trace a network with quantized layers")
    if isinstance(model, ChecksNames):
        model.check_names([layer.name for layer in layers], placed)
    amounts = model.price(placed)
    if isinstance(pipeline, ChannelPipeline):
        amounts = pipeline.shared(placed, amounts, model)
    return Bill(layers=layers, placed=placed, amounts=amounts)


def layer_bits(layer: Layer) -> dict[str, int]:
    """Whole bits of a layer: weight_bits and acc_bits if it multiplies, input_bits and output_bits.

    Streams and memories are as wide as their widest channel.
    """
    bits = {"input_bits": _bits(layer.inputs[0].range)} if layer.inputs and layer.inputs[0].range.known else {}
    for block in layer.blocks:
        if isinstance(block, MatVec):
            bits |= {"weight_bits": _bits(block.weight), "acc_bits": _bits(block.acc)}
    return bits | {"output_bits": _bits(layer.output.range)}


def _bits(wire: Range) -> int:
    return ceil(float(widest(wire).bits.detach()))
