"""Products of streams, means, and activations of any shape, as nodes of a graph."""

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import nn

from hwcost import quant
from hwcost.errors import UnknownOperation
from hwcost.export.onnx_graph import along
from hwcost.export.onnx_streams import Place, Stream, Writer, quantized
from hwcost.graph.call import Call, RuleKey


def _multiplied(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    layer = cast("quant.QuantMul", call.module)
    sides = [
        stream.tensor if quantizer is None else quantized(quantizer, stream, stream.tensor, place)
        for stream, quantizer in zip(streams, (layer.left_quant, layer.right_quant), strict=True)
    ]
    return place.graph.add("Mul", *sides, layer=place.layer)


def _mean(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer = cast("quant.QuantMean", call.module)
    rank = len(stream.signal.shape) + 1
    dims = sorted(each % rank for each in layer.dim)
    return place.graph.add("ReduceMean", stream.tensor, layer=place.layer, axes=dims, keepdims=int(layer.keepdim))


def _adaptive(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    kernel = [size // count for size, count in zip(stream.signal.shape[1:], place.output.shape[1:], strict=True)]
    return place.graph.add("AveragePool", stream.tensor, layer=place.layer, kernel_shape=kernel, strides=kernel)


Nodes = Callable[[Any, Place, str], str]
"""(function, where, tensor that enters) -> tensor that leaves."""


def _node(op: str, **attributes: Callable[[Any], float]) -> Nodes:
    """One node whose attributes follow from the function."""

    def write(function: Any, place: Place, x: str) -> str:
        given: dict[str, Any] = {name: float(value(function)) for name, value in attributes.items()}
        return place.graph.add(op, x, layer=place.layer, **given)

    return write


def _gated(gate: Nodes) -> Nodes:
    """A function that is x times another one of x."""
    return lambda function, place, x: place.graph.add("Mul", x, gate(function, place, x), layer=place.layer)


def _gelu_gate(function: nn.GELU, place: Place, x: str) -> str:
    """Share of x that a GELU lets pass."""
    graph, layer = place.graph, place.layer

    def number(value: float, name: str) -> str:
        return graph.constant(value, f"{layer}.{name}")

    if function.approximate == "none":
        bent = graph.add("Erf", graph.add("Mul", x, number(1 / sqrt(2), "width"), layer=layer), layer=layer)
    else:
        square = graph.add("Pow", x, number(2.0, "power"), layer=layer)  # some tools rename one of two equal inputs
        cubed = graph.add("Mul", square, number(0.044715, "cubic"), layer=layer)
        grown = graph.add("Add", cubed, number(1.0, "linear"), layer=layer)
        inner = graph.add(
            "Mul", graph.add("Mul", x, grown, layer=layer), number(sqrt(2 / torch.pi), "slope"), layer=layer
        )
        bent = graph.add("Tanh", inner, layer=layer)
    shifted = graph.add("Add", bent, number(1.0, "one"), layer=layer)
    return graph.add("Mul", shifted, number(0.5, "half"), layer=layer)


def _chain(*parts: Nodes) -> Nodes:
    def write(function: Any, place: Place, x: str) -> str:
        for part in parts:
            x = part(function, place, x)
        return x

    return write


def _prelu(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    """Write the slopes as the layer rounds them: what it makes of -1 in each channel."""
    (stream,) = streams
    layer = cast("quant.QuantPReLU", call.module)
    assert layer.quant is not None  # one in float has no description
    slopes = -layer.function(-torch.ones(1, layer.weight.numel())).detach().reshape(-1)
    rank = len(place.output.shape) + 1
    constant = place.graph.constant(along(slopes, rank)[0], f"{place.layer}.slopes")
    bent = place.graph.add("PRelu", stream.tensor, constant, layer=place.layer)
    return quantized(layer.quant, stream, bent, place)


def _clip(low: Callable[[Any], float], high: Callable[[Any], float]) -> Nodes:
    def write(function: Any, place: Place, x: str) -> str:
        bounds = (place.graph.constant(float(end(function)), f"{place.layer}.{i}") for i, end in enumerate((low, high)))
        return place.graph.add("Clip", x, *bounds, layer=place.layer)

    return write


_HARD = _node("HardSigmoid", alpha=lambda f: 1 / 6, beta=lambda f: 0.5)
FUNCTIONS: Mapping[type[nn.Module], Nodes] = MappingProxyType(
    {
        nn.ReLU: _node("Relu"),
        nn.ReLU6: _clip(lambda f: 0.0, lambda f: 6.0),
        nn.Hardtanh: _clip(lambda f: f.min_val, lambda f: f.max_val),
        nn.Sigmoid: _node("Sigmoid"),
        nn.Tanh: _node("Tanh"),
        quant.Exp: _node("Exp"),
        nn.Softplus: _node("Softplus"),
        nn.Softsign: _node("Softsign"),
        nn.LogSigmoid: _chain(_node("Neg"), _node("Softplus"), _node("Neg")),
        nn.ELU: _node("Elu", alpha=lambda f: f.alpha),
        nn.CELU: _node("Celu", alpha=lambda f: f.alpha),
        nn.SELU: _node("Selu"),
        nn.LeakyReLU: _node("LeakyRelu", alpha=lambda f: f.negative_slope),
        nn.Hardsigmoid: _HARD,
        nn.Hardswish: _gated(_HARD),
        nn.SiLU: _gated(_node("Sigmoid")),
        nn.Mish: _gated(_chain(_node("Softplus"), _node("Tanh"))),
        nn.GELU: _gated(_gelu_gate),
    }
)
"""Writer of each function that an activation may have."""


def _activation(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer = cast("quant.QuantActivation", call.module)
    assert layer.quant is not None  # one in float has no description
    function, x = layer.curve, stream.tensor
    if type(function) not in FUNCTIONS:
        raise UnknownOperation(f"{type(function).__name__} is no function that ONNX names; use one of torch.nn")
    if isinstance(function, nn.Softplus) and (function.beta != 1):
        raise UnknownOperation(f"Softplus with beta={function.beta}; ONNX has beta=1")
    if layer.input_quant is not None:
        x = quantized(layer.input_quant, stream, x, place)
    return quantized(layer.quant, stream, FUNCTIONS[type(function)](function, place, x), place)


ELEMENT_WRITERS: Mapping[RuleKey, Writer] = MappingProxyType(
    {
        quant.QuantMul: _multiplied,
        quant.QuantMean: _mean,
        quant.QuantAdaptiveAvgPool: _adaptive,
        quant.QuantActivation: _activation,
        quant.QuantPReLU: _prelu,
    }
)
"""Writer of the nodes of each of these layers."""
