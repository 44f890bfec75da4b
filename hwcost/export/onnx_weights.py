"""Layers that multiply by weights, as nodes of a graph."""

from collections.abc import Callable
from functools import partial
from typing import cast

from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.export.onnx_graph import along, zeros
from hwcost.export.onnx_streams import Place, Stream, on_grid, quantized, step_of
from hwcost.graph.ranges import Range
from hwcost.graph.rules import Call
from hwcost.graph.spec import Signal
from hwcost.quant import BinaryQuantizer, QuantScaleBias
from hwcost.quant.layers.conv import Convolution
from hwcost.quant.layers.product import Product
from hwcost.quant.layers.signals import entering
from hwcost.quant.layers.transposed import Transposed
from hwcost.quant.quantizers import common_range, common_step, per_channel


def _weight(layer: Product, place: Place) -> str:
    quantizer, values = layer.weight_quant, layer.quantized_weight().detach()
    assert quantizer is not None  # a product in float has no description
    step, wire = common_step(quantizer, layer.weight.detach()).detach(), common_range(quantizer)
    name = f"{place.layer}.weight"
    matrix = place.graph.constant(values.T if isinstance(layer, nn.Linear) else values, name)
    if isinstance(layer, nn.Linear) and step.numel() > 1:
        step = step.reshape(1, -1)
    if isinstance(quantizer, BinaryQuantizer):
        return place.graph.bipolar(matrix, layer=name, step=step)
    return on_grid(place.graph, matrix, name, step, wire)


def product(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    """Write a linear layer or a convolution, with what quantizes its input, its weight and its bias."""
    (stream,) = streams
    layer = cast("Product", call.module)
    if layer.accumulator is not None:
        raise UnknownOperation(f"QONNX has no accumulator that may {layer.accumulator.mode}; use accumulator=None")
    graph, x = place.graph, stream.tensor
    if layer.input_quant is not None:
        x = quantized(layer.input_quant, stream, x, place)
    weight = _weight(layer, place)
    if isinstance(layer, nn.Linear):
        sums = graph.add("MatMul", x, weight, layer=place.layer)
    else:
        sums = _convolved(cast("Convolution", layer), place, stream, x, weight)
    return _biased(layer, place, stream, sums, layer.products)


def _convolved(layer: Convolution, place: Place, stream: Stream, x: str, weight: str) -> str:
    add, pads = partial(place.graph.add, "Conv"), layer.pads(stream.signal.shape[1:])
    if isinstance(layer, Transposed):
        add = partial(place.graph.add, "ConvTranspose", output_padding=list(layer.output_padding))
        pads = tuple((pad, pad) for pad in layer.padding)
    return add(
        x,
        weight,
        layer=place.layer,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        group=layer.groups,
        pads=[before for before, _ in pads] + [after for _, after in pads],
    )


def _biased(
    layer: Product | QuantScaleBias, place: Place, stream: Stream, sums: str, products: Callable[[Signal], Range]
) -> str:
    """Add the bias: floats, or multiples of the step of the sum, whose range `products` gives."""
    if layer.bias is None:
        return sums
    spread = partial(along, rank=2 if place.output.channels_last else len(place.output.shape) + 1)
    bias = layer.bias.detach()
    if layer.bias_quant is None:
        return place.graph.add(
            "Add", sums, place.graph.constant(spread(bias), f"{place.layer}.bias"), layer=place.layer
        )
    if layer.input_quant is not None:
        step = layer.input_quant.step(zeros(*stream.signal.shape)).detach().double()
    else:
        step = step_of(layer, stream)
    assert layer.weight_quant is not None
    total = per_channel(step.reshape(-1) * common_step(layer.weight_quant, layer.weight).detach().double().reshape(-1))
    entered, _ = entering(stream.signal, layer.input_quant)
    values, wire = layer.bias_quant(bias.double(), total, products(entered)).detach(), products(entered)
    name = f"{place.layer}.bias"
    constant = place.graph.constant(spread(values), name)
    whole = on_grid(place.graph, constant, name, spread(total), layer.bias_quant.range(wire))
    return place.graph.add("Add", sums, whole, layer=place.layer)


def scale_bias(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    """Write one multiply-add per channel."""
    (stream,) = streams
    layer = cast("QuantScaleBias", call.module)
    x, rank = stream.tensor, len(place.output.shape) + 1
    if layer.input_quant is not None:
        x = quantized(layer.input_quant, stream, x, place)
    values = along(layer.weight_quant(layer.weight).detach().reshape(-1), rank)
    step = layer.weight_quant.step(layer.weight).detach()
    name = f"{place.layer}.weight"
    step = along(per_channel(step), rank)
    weight = on_grid(place.graph, place.graph.constant(values, name), name, step, layer.weight_quant.range())
    scaled = place.graph.add("Mul", x, weight, layer=place.layer)
    return _biased(layer, place, stream, scaled, lambda entered: layer.product_range(entered.range))
