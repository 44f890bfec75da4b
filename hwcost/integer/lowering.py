"""Layers -> operations on integers, and the meaning of what leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import widest
from hwcost.graph.rules import Call, RuleKey
from hwcost.graph.spec import Signal
from hwcost.integer.grids import Lowered, Lowering, Stream, exact, grid, meaning_of
from hwcost.integer.meaning import Meaning, direction
from hwcost.integer.operations import Flat, Largest, Meet, Operation, Total, Wire
from hwcost.integer.products import product, scale_bias
from hwcost.quant import (
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantScaleBias,
)


def wire(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Nothing is built."""
    (stream,) = streams
    return Wire(), meaning_of(stream)


def flat(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Flattening; one number per channel becomes one per feature."""
    (stream,) = streams
    meaning, pixels = meaning_of(stream), stream.signal.positions
    if output.shape == stream.signal.shape:
        return Wire(), meaning
    if meaning.maps:
        raise UnknownOperation("flattens a stream whose batch norm or ReLU is still open; put the activation first")
    step, offset = (x if x.ndim == 0 else x.repeat_interleave(pixels) for x in (meaning.step, meaning.offset))
    return Flat(), Meaning(step=step, offset=offset)


def absorbed(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Batch norm in evaluation, or ReLU: left to the thresholds of the next activation."""
    (stream,) = streams
    return Wire(), meaning_of(stream).then(exact(call.module) if call.module is not None else torch.relu)


def max_pool(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Max pooling: of a channel whose values fall with its integers, the smallest integer."""
    (stream,) = streams
    meaning, signal = meaning_of(stream), stream.signal
    dimensions, channels = len(signal.shape) - 1, signal.channels

    def each(value: Any) -> tuple[int, ...]:
        return (value,) * dimensions if isinstance(value, int) else tuple(value)

    if call.argument(5, "ceil_mode", False):
        raise UnknownOperation("max pooling with ceil_mode=True; choose padding and stride so that it divides")
    kernel = each(call.argument(1, "kernel_size"))
    stride = call.argument(2, "stride")
    reach = int(torch.maximum(signal.range.low.abs(), signal.range.high.abs()).amax())
    pool = Largest(
        kernel=kernel,
        stride=kernel if stride is None else each(stride),
        dilation=each(call.argument(4, "dilation", 1)),
        pads=tuple((pixels, pixels) for pixels in each(call.argument(3, "padding", 0))),
        sign=direction(meaning, signal.range, channels, dimensions + 2),
        floor=-reach - 1,
    )
    return pool, meaning


def activation(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Thresholds."""
    (stream,) = streams
    layer: Any = call.module
    return grid(stream, layer.quant, layer.function)


def average(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """The sum of a window, shifted right."""
    (stream,) = streams
    layer: Any = call.module
    meaning, element = meaning_of(stream), widest(stream.signal.range)
    if meaning.maps:
        raise UnknownOperation("averages a stream whose batch norm or ReLU is still open; put the activation first")
    shift, area = layer.shift(element), layer.kernel_size**2
    gain = 2.0**shift / area if layer.corrected or not layer.truncate else 1.0
    if layer.truncate:
        meaning.plain_step()
    pool = Total(kernel=(layer.kernel_size,) * 2, stride=(layer.stride,) * 2, shift=shift)
    return pool, replace(meaning, step=meaning.step * gain)


def merge(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Streams brought onto one grid where they are not yet, then added or concatenated."""
    layer: Any = call.module
    grids: list[Operation] = []
    meaning: Meaning | None = None
    for place, stream in enumerate(streams):
        ready = (Wire(), meaning_of(stream))
        onto, made = ready if place in layer.ready else grid(stream, layer.quantizer(place, len(streams)))
        grids.append(onto)
        meaning = made if meaning is None else meaning
    assert meaning is not None
    meaning.plain_step()
    return Meet(grids=tuple(grids), chained=isinstance(layer, QuantConcat)), meaning


LOWERINGS: Mapping[RuleKey, Lowering] = MappingProxyType(
    {
        **dict.fromkeys((QuantLinear, QuantConv1d, QuantConv2d, QuantConvTranspose2d), product),
        QuantIdentity: activation,
        QuantAvgPool2d: average,
        QuantScaleBias: scale_bias,
        QuantAdd: merge,
        QuantConcat: merge,
        **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, "dropout", "contiguous"), wire),
        **dict.fromkeys((nn.Flatten, "flatten", "view", "reshape"), flat),
        **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, "relu"), absorbed),
        **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, "max_pool1d", "max_pool2d"), max_pool),
    }
)
"""How layers (by class) and functions (by name) become integer operations; extend with `LOWERINGS | {key: ...}`."""
