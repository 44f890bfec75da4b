"""Layers as nodes of a graph: one writer for each kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import nn

from hwcost import quant
from hwcost.errors import UnknownOperation
from hwcost.export.onnx_elements import ELEMENT_WRITERS
from hwcost.export.onnx_order import ORDER_WRITERS
from hwcost.export.onnx_streams import Place, Stream, Writer, quantized, step_of
from hwcost.export.onnx_weights import product, scale_bias
from hwcost.graph.ranges import bits_for, widest
from hwcost.graph.rules import (
    MAX_POOLS,
    NORMS,
    RELUS,
    SCALINGS,
    SOFTMAXES,
    WIRES,
    Call,
    RuleKey,
    factor_and_addend,
    max_pool_window,
)
from hwcost.integer.lowering import ACTIVATIONS, PRODUCTS
from hwcost.quant.layers.pool import AveragePool


def _activation(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer = cast("quant.QuantIdentity", call.module)
    assert layer.quant is not None  # one in float has no description
    if isinstance(layer, quant.QuantAffine):
        return quantized(layer.quant, stream, _affine(layer, stream.tensor, place), place)
    known = {quant.QuantSigmoid.function: "Sigmoid", quant.QuantTanh.function: "Tanh", quant.QuantIdentity.function: ""}
    op = known.get(type(layer).function)
    if op == "" and isinstance(layer, quant.QuantReLU):
        op = "Relu"  # the Quant node clips at 0 as well, but FINN takes an unsigned one only behind a Relu
    if op is None:
        raise UnknownOperation(f"{type(layer).__name__}.function is not one that ONNX names")
    tensor = place.graph.add(op, stream.tensor, layer=place.layer) if op else stream.tensor
    return quantized(layer.quant, stream, tensor, place)


def _affine(layer: quant.QuantAffine, tensor: str, place: Place) -> str:
    graph, name = place.graph, place.layer
    grown = graph.add("Mul", tensor, graph.constant(layer.gain, f"{name}.gain"), layer=name)
    return graph.add("Add", grown, graph.constant(layer.offset, f"{name}.offset"), layer=name)


def _average(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    layer = cast("AveragePool", call.module)
    graph, area = place.graph, layer.area
    mean = graph.add(
        "AveragePool",
        stream.tensor,
        layer=place.layer,
        kernel_shape=list(layer.kernel),
        strides=list(layer.strides),
    )
    if not layer.truncate:
        return mean
    step = step_of(layer, stream)
    element = widest(stream.signal.range)
    shift = layer.shift(element)
    low, high = element.low * area, element.high * area
    width = int(bits_for(low.detach(), high.detach()))
    total = graph.add("Mul", mean, graph.constant(float(area), f"{place.layer}.area"), layer=place.layer)
    cut = graph.trunc(total, layer=place.layer, step=step, bits=width, shift=shift)
    if not layer.corrected:
        return cut
    gain = graph.constant(2.0**shift / area, f"{place.layer}.gain")
    return graph.add("Mul", cut, gain, layer=place.layer)


def _merge(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    layer = cast("quant.QuantAdd | quant.QuantConcat", call.module)
    met = [
        stream.tensor
        if each in layer.ready
        else quantized(layer.quantizer(each, len(streams)), stream, stream.tensor, place)
        for each, stream in enumerate(streams)
    ]
    if isinstance(layer, quant.QuantConcat):
        return place.graph.add("Concat", *met, layer=place.layer, axis=1)
    return place.graph.add("Add", *met, layer=place.layer)


def _shift_add(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    return place.graph.add("Add", *(stream.tensor for stream in streams), layer=place.layer)


def _softmax(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    op = "LogSoftmax" if isinstance(call.module, nn.LogSoftmax) else "Softmax"
    return place.graph.add(op, streams[0].tensor, layer=place.layer, axis=1)


def _norm(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    norm = cast("nn.BatchNorm2d", call.module)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # `affine_of` has refused one without
    one = torch.ones_like(mean)
    numbers = {
        "weight": one if norm.weight is None else norm.weight,
        "bias": torch.zeros_like(one) if norm.bias is None else norm.bias,
        "mean": mean,
        "variance": variance,
    }
    constants = [place.graph.constant(value, f"{place.layer}.{name}") for name, value in numbers.items()]
    return place.graph.add("BatchNormalization", stream.tensor, *constants, layer=place.layer, epsilon=float(norm.eps))


def _scaled(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    found = factor_and_addend(call)
    assert found is not None  # the description has refused others
    tensor = streams[0].tensor
    for op, number, neutral in zip(("Mul", "Add"), found, (1.0, 0.0), strict=True):
        if number != neutral:
            constant = place.graph.constant(number, f"{place.layer}.{op.lower()}")
            tensor = place.graph.add(op, tensor, constant, layer=place.layer)
    return tensor


def _relu(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    return place.graph.add("Relu", streams[0].tensor, layer=place.layer)


def _hadamard(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    """Write the score of each class; the norm is that of the one sample in the batch."""
    graph, name = place.graph, place.layer
    layer = cast("quant.HadamardClassifier", call.module)
    norm = graph.add("ReduceL2", streams[0].tensor, layer=name, axes=[1], keepdims=1)
    least = graph.constant(torch.finfo(torch.float32).tiny, f"{name}.least")
    direction = graph.add("Div", streams[0].tensor, graph.add("Max", norm, least, layer=name), layer=name)
    signs = graph.bipolar(graph.constant(layer.matrix.T, f"{name}.matrix"), layer=name, step=torch.ones(()))
    scores = graph.add("MatMul", direction, signs, layer=name)
    return graph.add("Mul", scores, graph.constant(-layer.scale, f"{name}.factor"), layer=name)


def _wire(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    return streams[0].tensor


def _max_pool(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    window = max_pool_window(call, streams[0].signal, place.output.shape[1:])
    return place.graph.add(
        "MaxPool",
        streams[0].tensor,
        layer=place.layer,
        kernel_shape=list(window.kernel),
        strides=list(window.stride),
        pads=[before for before, _ in window.padding] + [after for _, after in window.padding],
        dilations=list(window.dilation),
    )


WRITERS: Mapping[RuleKey, Writer] = MappingProxyType(
    {
        **dict.fromkeys(PRODUCTS, product),
        **dict.fromkeys(ACTIVATIONS, _activation),
        **dict.fromkeys((quant.QuantAvgPool1d, quant.QuantAvgPool2d), _average),
        quant.QuantScaleBias: scale_bias,
        quant.HadamardClassifier: _hadamard,
        **dict.fromkeys((quant.QuantAdd, quant.QuantConcat), _merge),
        quant.ShiftAdd: _shift_add,
        **dict.fromkeys(SOFTMAXES, _softmax),
        **dict.fromkeys(WIRES, _wire),
        **dict.fromkeys(SCALINGS, _scaled),
        **ORDER_WRITERS,
        **ELEMENT_WRITERS,
        **dict.fromkeys(NORMS, _norm),
        **dict.fromkeys(RELUS, _relu),
        **dict.fromkeys(MAX_POOLS, _max_pool),
    }
)
"""Class, function or name of a tensor method -> what writes its nodes."""
