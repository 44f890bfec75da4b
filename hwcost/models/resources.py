"""Hardware models as protocols: placed blocks in, amounts per resource out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.spec import Block, Layer
from hwcost.models.device import Device

COUNTED = ("LUT", "FF", "DSP", "BRAM18", "URAM")
"""Resources that a synthesizer is asked for. LUT counts logic and LUT RAM; BRAM18 counts 18-kbit blocks."""

AREAS = (*COUNTED, "LUTRAM")
"""Resources that add up over blocks. LUTRAM counts those of the LUTs that must be in a slice of type M, because they
are RAM that is written, or shift registers; a ROM may be in any."""

RESOURCES = (*AREAS, "cycles")
"""Resources that `Dataflow` prices. Cycles per inference do not add up: the largest is the initiation interval."""

LARGEST = ("cycles", "levels")
"""Figures of which a block has the largest of its parts, not the sum."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A block and the layer that it belongs to.

    Attributes:
        layer: unique name of the layer; foldings and messages use it.
        block: the hardware.
    """

    layer: str
    block: Block


@runtime_checkable
class HasLayers(Protocol):
    """A traced network, seen from here: anything that lists its layers."""

    def layers(self) -> Sequence[Layer]:
        """The layers with their live descriptions, in the order of the stream."""
        ...


def check_traced(pipeline: HasLayers) -> None:
    """Refuse a network that is not traced."""
    if isinstance(pipeline, nn.Module) or not isinstance(pipeline, HasLayers):
        raise BadOption(
            f"a {type(pipeline).__name__} is no traced network; trace it first: "
            "pipeline = trace(net, example, input_bits=8)"
        )


def layers_of(pipeline: HasLayers) -> tuple[Layer, ...]:
    """The layers of a traced network, with their live descriptions."""
    check_traced(pipeline)
    return tuple(pipeline.layers())


@runtime_checkable
class HardwareModel(Protocol):
    """A price list for blocks; any object of this form can stand in for `Dataflow`."""

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of what `price` returns, in the order of tables."""
        ...

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """The cost of every block.

        Args:
            placed: blocks with the names of their layers, in any order.

        Returns:
            One float64 tensor of shape (len(placed),) per resource, in the order of `placed`. Gradient: to the
            widths in the ranges of the blocks.
        """
        ...


@runtime_checkable
class ChecksNames(Protocol):
    """A hardware model with choices per layer, which can tell whether all of them belong to a network."""

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        """Refuse choices for layers that the network does not have.

        Args:
            layers: names of all layers of the network.
            placed: all of its blocks.

        Raises:
            BadOption: names the entry.
        """
        ...


@runtime_checkable
class NonDecreasing(Protocol):
    """A hardware model that says whether a price can fall where a width grows; one that does not say it may."""

    @property
    def non_decreasing(self) -> bool:
        """Whether no resource of any block falls where one of its widths grows."""
        ...


@runtime_checkable
class ReadsWeights(Protocol):
    """A hardware model that says whether its prices depend on the integer weights, beyond their widths."""

    @property
    def reads_weights(self) -> bool:
        """Whether a block may cost something else at the same widths."""
        ...


@runtime_checkable
class OnPart(HardwareModel, Protocol):
    """A hardware model with a part and a clock, so that a price has a limit and an interval a frame rate."""

    @property
    def device(self) -> Device:
        """The part."""
        ...

    @property
    def clock_mhz(self) -> float:
        """The clock of the fabric, above 0."""
        ...
