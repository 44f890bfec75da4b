"""Tensors of an ONNX graph with their meaning, and nodes that bring them onto a grid."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_graph import Graph, along, zeros
from hwcost.graph.ranges import Range, bits_for, widest
from hwcost.graph.rules import Call
from hwcost.graph.spec import Signal
from hwcost.integer.meaning import Meaning
from hwcost.quant import GridQuantizer, StatScale, TernaryQuantizer, ThresholdQuantizer
from hwcost.quant.layers.source import Sourced
from hwcost.quant.quantizers import Quantizer, common_range


@dataclass(frozen=True, eq=False, kw_only=True)
class Stream:
    """Tensor of the graph.

    Attributes:
        tensor: its name.
        signal: as described.
        meaning: of the integers behind its values; None for floats from outside.
    """

    tensor: str
    signal: Signal
    meaning: Meaning | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """Position of a layer in a graph.

    Attributes:
        graph: is written to.
        layer: name of the layer.
        output: what leaves, as described.
    """

    graph: Graph
    layer: str
    output: Signal


Writer = Callable[[Call, Place, tuple[Stream, ...]], str]
"""Writes the nodes of a layer; returns the name of the tensor that leaves."""


def step_of(layer: Sourced, stream: Stream) -> Tensor:
    """Find the value of one integer that enters a layer, ()."""
    if stream.meaning is not None:
        return stream.meaning.plain_step()
    source = layer.source
    step = None if source is None else source.step(zeros(*stream.signal.shape)).detach().double()
    if step is None or step.numel() > 1:
        raise UnknownOperation(
            "needs one step for all that enters; give source=, the quantizer in front, without channels"
        )
    one: Tensor = step.reshape(())
    return one


def on_grid(graph: Graph, x: str, layer: str, step: Tensor, wire: Range) -> str:
    """Write the Quant or BipolarQuant node of a wire."""
    wide = widest(wire)
    if wide.bipolar:
        return graph.bipolar(x, layer=layer, step=step)
    low, high = float(wide.low.detach()), float(wide.high.detach())
    bits = max(1, int(bits_for(wide.low.detach(), wide.high.detach())))
    return graph.quant(x, layer=layer, step=step, low=low, high=high, bits=bits)


def quantized(quantizer: Quantizer, stream: Stream, tensor: str, place: Place) -> str:
    """Write the node that brings an activation onto the grid of a quantizer."""
    if isinstance(getattr(quantizer, "scale", None), StatScale):
        raise UnknownOperation("its scale is a statistic of the data; use a RunningScale or LearnedScale")
    if isinstance(quantizer, TernaryQuantizer) and quantizer.threshold != 0.5:
        raise UnknownOperation(f"a dead band of {quantizer.threshold} scales; a Quant node rounds, use threshold=0.5")
    step = quantizer.step(zeros(*stream.signal.shape)).detach().reshape(-1)
    step = (
        step[0]
        if bool((step == step[0]).all())
        else along(step, 2 if stream.signal.channels_last else len(stream.signal.shape) + 1)
    )
    wire = common_range(quantizer)
    if wire.low.numel() > 1 and (wire.low.amin() != wire.low.amax() or wire.high.amin() != wire.high.amax()):
        raise UnknownOperation("its channels clip at codes of their own; give one width to all channels")
    made = _activation(place, tensor, quantizer, step, len(stream.signal.shape) + 1, wire)
    place.graph.shapes[made] = stream.signal.shape
    return made


def _activation(place: Place, x: str, quantizer: Quantizer, step: Tensor, rank: int, wire: Range) -> str:
    """Write the node of a quantizer of a stream, whose codes may be any."""
    graph, layer = place.graph, place.layer
    if isinstance(quantizer, ThresholdQuantizer):
        edges, low = quantizer.thresholds, quantizer.low
        return graph.thresholds(
            x, layer=layer, edges=edges, step=float(step), low=low, bipolar=quantizer.bipolar, rank=rank
        )
    if not isinstance(quantizer, GridQuantizer):
        return on_grid(graph, x, layer, step, wire)
    return graph.activation(
        x,
        layer=layer,
        step=step,
        low=quantizer.low,
        high=quantizer.high,
        rounding=quantizer.rounding,
        zero=quantizer.zero_point,
    )
