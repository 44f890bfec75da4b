"""Layers as nodes of a graph: one writer for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.export.graph import Graph, along, zeros
from hwcost.integer.meaning import Meaning
from hwcost.quant import (
    BinaryQuantizer,
    HadamardClassifier,
    QuantAdd,
    QuantAffine,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantScaleBias,
    QuantSigmoid,
    QuantTanh,
    StatScale,
    TernaryQuantizer,
)
from hwcost.ranges import Range, bits_for, widest
from hwcost.rules import Call, RuleKey
from hwcost.spec import Signal


@dataclass(frozen=True, eq=False, kw_only=True)
class Stream:
    """A tensor of the graph.

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
    """Where a layer's nodes go.

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


def _step(layer: Any, stream: Stream) -> Tensor:
    """Value of one integer of what enters a layer, ()."""
    if stream.meaning is not None:
        return stream.meaning.plain_step()
    (source,) = layer._source
    step = None if source is None else source.step(zeros(*stream.signal.shape)).detach().double()
    if step is None or step.numel() > 1:
        raise UnknownOperation(
            "needs one step for all that enters; give source=, the quantizer in front, without channels"
        )
    one: Tensor = step.reshape(())
    return one


def on_grid(graph: Graph, x: str, layer: str, step: Tensor, wire: Range) -> str:
    """Quant or BipolarQuant of a wire."""
    wide = widest(wire)
    if wide.bipolar:
        return graph.bipolar(x, layer=layer, step=step)
    low, high = float(wide.low.detach()), float(wide.high.detach())
    bits = max(1, int(bits_for(wide.low.detach(), wide.high.detach())))
    return graph.quant(x, layer=layer, step=step, low=low, high=high, bits=bits)


def _quantized(quantizer: Any, stream: Stream, tensor: str, place: Place) -> str:
    """An activation brought onto the grid of a quantizer."""
    if isinstance(getattr(quantizer, "scale", None), StatScale):
        raise UnknownOperation("its scale is a statistic of the data; use a RunningScale or LearnedScale")
    if isinstance(quantizer, TernaryQuantizer) and quantizer.threshold != 0.5:
        raise UnknownOperation(f"a dead band of {quantizer.threshold} scales; a Quant node rounds, use threshold=0.5")
    step = quantizer.step(zeros(*stream.signal.shape)).detach()
    rank = len(stream.signal.shape) + 1
    step = step.reshape(()) if step.numel() == 1 else along(step.reshape(-1), rank)
    wire = quantizer.common_range() if hasattr(quantizer, "common_range") else quantizer.range()
    if wire.low.numel() > 1 and (wire.low.amin() != wire.low.amax() or wire.high.amin() != wire.high.amax()):
        raise UnknownOperation("its channels clip at codes of their own; give one width to all channels")
    return on_grid(place.graph, tensor, place.layer, step, wire)


def _activation(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer: Any = call.module
    if isinstance(layer, QuantAffine):
        return _quantized(layer.quant, stream, _affine(layer, stream.tensor, place), place)
    known = {QuantSigmoid.function: "Sigmoid", QuantTanh.function: "Tanh", QuantIdentity.function: ""}
    op = known.get(type(layer).function)
    if op is None:
        raise UnknownOperation(f"{type(layer).__name__}.function is not one that ONNX names")
    tensor = place.graph.add(op, stream.tensor, layer=place.layer) if op else stream.tensor
    return _quantized(layer.quant, stream, tensor, place)


def _affine(layer: QuantAffine, tensor: str, place: Place) -> str:
    graph, name = place.graph, place.layer
    grown = graph.add("Mul", tensor, graph.constant(layer.gain, f"{name}.gain"), layer=name)
    return graph.add("Add", grown, graph.constant(layer.offset, f"{name}.offset"), layer=name)


def _weight(layer: Any, place: Place) -> str:
    quantizer = layer.weight_quant
    weight = layer.weight.detach()
    values = layer.quantized_weight().detach() if hasattr(layer, "quantized_weight") else quantizer(weight).detach()
    common = hasattr(quantizer, "common_step")
    step = (quantizer.common_step if common else quantizer.step)(weight).detach()
    wire = quantizer.common_range() if common else quantizer.range()
    name = f"{place.layer}.weight"
    matrix = place.graph.constant(values.T if isinstance(layer, nn.Linear) else values, name)
    if isinstance(layer, nn.Linear) and step.numel() > 1:
        step = step.reshape(1, -1)
    if isinstance(quantizer, BinaryQuantizer):
        return place.graph.bipolar(matrix, layer=name, step=step)
    return on_grid(place.graph, matrix, name, step, wire)


def _product(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer: Any = call.module
    if layer.accumulator is not None:
        raise UnknownOperation(f"QONNX has no accumulator that may {layer.accumulator.mode}; use accumulator=None")
    graph, x = place.graph, stream.tensor
    if layer.input_quant is not None:
        x = _quantized(layer.input_quant, stream, x, place)
    weight = _weight(layer, place)
    if isinstance(layer, nn.Linear):
        sums = graph.add("MatMul", x, weight, layer=place.layer)
    else:
        sums = _convolved(layer, place, stream, x, weight)
    return _biased(layer, place, stream, sums)


def _convolved(layer: Any, place: Place, stream: Stream, x: str, weight: str) -> str:
    transposed = isinstance(layer, nn.ConvTranspose2d)
    more: Any = {"output_padding": list(layer.output_padding)} if transposed else {}
    pads = [(pad, pad) for pad in layer.padding] if transposed else layer.pads(stream.signal.shape[1:])
    return place.graph.add(
        "ConvTranspose" if transposed else "Conv",
        x,
        weight,
        layer=place.layer,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        group=layer.groups,
        pads=[before for before, _ in pads] + [after for _, after in pads],
        **more,
    )


def _biased(layer: Any, place: Place, stream: Stream, sums: str) -> str:
    """Plus the bias: a float, or whole steps of the sum."""
    if layer.bias is None:
        return sums
    rank = len(place.output.shape) + 1
    bias = layer.bias.detach()
    if layer.bias_quant is None:
        return place.graph.add(
            "Add", sums, place.graph.constant(along(bias, rank), f"{place.layer}.bias"), layer=place.layer
        )
    if layer.input_quant is not None:
        step = layer.input_quant.step(zeros(*stream.signal.shape)).detach().double()
    else:
        step = _step(layer, stream)
    weight = layer.weight_quant
    unit = (weight.common_step if hasattr(weight, "common_step") else weight.step)(layer.weight).detach().double()
    total = step.reshape(-1) * unit.reshape(-1)
    total = total.reshape(()) if total.numel() == 1 else total
    values = layer.bias_quant(bias.double(), total, layer.products(stream.signal)).detach()
    return place.graph.add("Add", sums, _whole_bias(place, values, total, rank), layer=place.layer)


def _whole_bias(place: Place, values: Tensor, step: Tensor, rank: int) -> str:
    whole = torch.round(values / step)
    low, high = whole.min().clamp(max=0), whole.max().clamp(min=0)
    name = f"{place.layer}.bias"
    constant = place.graph.constant(along(values, rank), name)
    wire = Range(low, high, bits_for(low, high))
    return on_grid(place.graph, constant, name, along(step, rank), wire)


def _scale_bias(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer: Any = call.module
    if layer.bias is not None and layer.bias_quant is not None:
        raise UnknownOperation("a quantized bias of QuantScaleBias is not written yet; use bias_quant=None")
    x, rank = stream.tensor, len(place.output.shape) + 1
    if layer.input_quant is not None:
        x = _quantized(layer.input_quant, stream, x, place)
    values = along(layer.weight_quant(layer.weight).detach().reshape(-1), rank)
    step = layer.weight_quant.step(layer.weight).detach()
    name = f"{place.layer}.weight"
    step = step.reshape(()) if step.numel() == 1 else along(step.reshape(-1), rank)
    weight = on_grid(place.graph, place.graph.constant(values, name), name, step, layer.weight_quant.range())
    scaled = place.graph.add("Mul", x, weight, layer=place.layer)
    return _biased(layer, place, stream, scaled)


def _average(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer: Any = call.module
    graph, size = place.graph, layer.kernel_size
    mean = graph.add(
        "AveragePool", stream.tensor, layer=place.layer, kernel_shape=[size, size], strides=[layer.stride] * 2
    )
    if not layer.truncate:
        return mean
    step = _step(layer, stream)
    element = widest(stream.signal.range)
    shift = layer.shift(element)
    low, high = element.low * size**2, element.high * size**2
    width = int(bits_for(low.detach(), high.detach()))
    total = graph.add("Mul", mean, graph.constant(float(size**2), f"{place.layer}.area"), layer=place.layer)
    cut = graph.trunc(total, layer=place.layer, step=step, bits=width, shift=shift)
    if not layer.corrected:
        return cut
    gain = graph.constant(2.0**shift / size**2, f"{place.layer}.gain")
    return graph.add("Mul", cut, gain, layer=place.layer)


def _merge(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    layer: Any = call.module
    met = [
        stream.tensor
        if each in layer.ready
        else _quantized(layer.quantizer(each, len(streams)), stream, stream.tensor, place)
        for each, stream in enumerate(streams)
    ]
    if isinstance(layer, QuantConcat):
        return place.graph.add("Concat", *met, layer=place.layer, axis=1)
    return place.graph.add("Add", *met, layer=place.layer)


def _norm(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    norm: Any = call.module
    one = torch.ones_like(norm.running_mean)
    numbers = {
        "weight": one if norm.weight is None else norm.weight,
        "bias": torch.zeros_like(one) if norm.bias is None else norm.bias,
        "mean": norm.running_mean,
        "variance": norm.running_var,
    }
    constants = [place.graph.constant(value, f"{place.layer}.{name}") for name, value in numbers.items()]
    return place.graph.add("BatchNormalization", stream.tensor, *constants, layer=place.layer, epsilon=float(norm.eps))


def _relu(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    return place.graph.add("Relu", streams[0].tensor, layer=place.layer)


def _hadamard(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    """The score of each class from a direction; the norm is that of the one sample in the batch."""
    graph, name = place.graph, place.layer
    layer: Any = call.module
    norm = graph.add("ReduceL2", streams[0].tensor, layer=name, axes=[1], keepdims=1)
    least = graph.constant(torch.finfo(torch.float32).tiny, f"{name}.least")
    direction = graph.add("Div", streams[0].tensor, graph.add("Max", norm, least, layer=name), layer=name)
    signs = graph.bipolar(graph.constant(layer.matrix.T, f"{name}.matrix"), layer=name, step=torch.ones(()))
    scores = graph.add("MatMul", direction, signs, layer=name)
    return graph.add("Mul", scores, graph.constant(-layer.scale, f"{name}.factor"), layer=name)


def _flat(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    if streams[0].signal.shape == place.output.shape:
        return streams[0].tensor
    return place.graph.add("Flatten", streams[0].tensor, layer=place.layer, axis=1)


def _wire(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    return streams[0].tensor


def _max_pool(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    dimensions = len(streams[0].signal.shape) - 1

    def each(value: Any) -> list[int]:
        return [value] * dimensions if isinstance(value, int) else list(value)

    kernel = each(call.argument(1, "kernel_size"))
    stride = call.argument(2, "stride")
    return place.graph.add(
        "MaxPool",
        streams[0].tensor,
        layer=place.layer,
        kernel_shape=kernel,
        strides=kernel if stride is None else each(stride),
        pads=each(call.argument(3, "padding", 0)) * 2,
        dilations=each(call.argument(4, "dilation", 1)),
    )


WRITERS: Mapping[RuleKey, Writer] = MappingProxyType(
    {
        **dict.fromkeys((QuantLinear, QuantConv1d, QuantConv2d, QuantConvTranspose2d), _product),
        QuantIdentity: _activation,
        QuantAvgPool2d: _average,
        QuantScaleBias: _scale_bias,
        HadamardClassifier: _hadamard,
        **dict.fromkeys((QuantAdd, QuantConcat), _merge),
        **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "dropout", "contiguous"), _wire),
        **dict.fromkeys((nn.Flatten, "flatten", "view", "reshape"), _flat),
        **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), _norm),
        **dict.fromkeys((nn.ReLU, "relu"), _relu),
        **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, "max_pool1d", "max_pool2d"), _max_pool),
    }
)
"""How layers (by class) and functions (by name) become nodes; the keys are those of `hwcost.integer.LOWERINGS`."""
