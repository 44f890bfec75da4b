"""Lowering of layers to operations on integers."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor

from hwcost import quant
from hwcost.errors import UnknownPrecision
from hwcost.graph.call import Call, RuleKey
from hwcost.graph.order import ORDER_RULES, RESHAPES
from hwcost.graph.ranges import widest
from hwcost.graph.rules import (
    ARGMAXES,
    MAX_POOLS,
    NORMS,
    RELUS,
    SCALINGS,
    SOFTMAXES,
    WIRES,
    factor_and_addend,
    max_pool_window,
)
from hwcost.graph.spec import Signal
from hwcost.integer.elements import adaptive, curve, flat, mean, multiplied, rearranged
from hwcost.integer.encoding import Lowered, Lowering, Outside, Stream, exact, grid, meaning_of
from hwcost.integer.meaning import Meaning, direction
from hwcost.integer.multiplication import product, scale_bias
from hwcost.integer.operations import IndexOfLargest, Largest, Meet, Multiply, Operation, Sums, Total, Wire
from hwcost.integer.sequences import SEQUENCES
from hwcost.quant.layers.pool import AveragePool


def wire(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a wire: nothing is built."""
    (stream,) = streams
    return Wire(), stream.meaning


def absorbed(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower batch norm in evaluation, or ReLU: it is left to the thresholds of the next activation."""
    (stream,) = streams
    if stream.meaning is None:  # in front of the first quantizer, where the data comes from
        return Outside(torch.relu if call.module is None else copy.deepcopy(call.module).eval()), None
    return Wire(), stream.meaning.then(torch.relu if call.module is None else exact(call.module))


def scaled(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a number that is multiplied or added: the same integers, of other values."""
    (stream,) = streams
    found = factor_and_addend(call)
    assert found is not None  # the description has refused others
    factor, addend = found
    if stream.meaning is None:
        return Outside(partial(_line, factor, addend)), None
    if factor > 0 and addend == 0 and not stream.meaning.maps:
        meaning = stream.meaning
        return Wire(), replace(meaning, step=meaning.step * factor, offset=meaning.offset * factor)
    return Wire(), stream.meaning.then(partial(_line, factor, addend))


def _line(factor: float, addend: float, x: Tensor) -> Tensor:
    return x * factor + addend


def max_pool(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower max pooling: where values fall as integers rise, it takes the smallest integer."""
    (stream,) = streams
    meaning, signal = meaning_of(stream), stream.signal
    window = max_pool_window(call, signal, output.shape[1:])
    reach = int(torch.maximum(signal.range.low.abs(), signal.range.high.abs()).amax())
    pool = Largest(
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        pads=window.padding,
        sign=direction(meaning, signal.range, signal.channels, len(signal.shape) + 1),
        floor=-reach - 1,
    )
    return pool, meaning


def activation(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower an activation to thresholds."""
    (stream,) = streams
    layer = cast("quant.QuantIdentity", call.module)
    assert layer.quant is not None  # one in float has no description
    return grid(stream, layer.quant, layer.function if stream.meaning is None else exact(layer).function)


def average(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower average pooling to the sum of a window, shifted right."""
    (stream,) = streams
    layer = cast("AveragePool", call.module)
    meaning, element = meaning_of(stream), widest(stream.signal.range)
    shift, area = layer.shift(element), layer.area
    gain = 2.0**shift / area if layer.corrected or not layer.truncate else 1.0
    if layer.truncate:
        meaning.plain_step()
    pool = Total(kernel=layer.kernel, stride=layer.strides, shift=shift)
    return pool, replace(meaning, step=meaning.step * gain)


def softmax(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a softmax at the end: the host computes it of the integers that leave, whose order is its own."""
    (stream,) = streams
    return Wire(), replace(meaning_of(stream), order=True)


def label_select(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower argmax to the index of the largest."""
    (stream,) = streams
    meaning_of(stream).plain_step()
    one = torch.ones((), dtype=torch.float64)
    return IndexOfLargest(keepdim=output.shape != ()), Meaning(step=one, offset=one - 1)


def merge(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a merge: streams are brought onto one grid where needed, then added or concatenated."""
    layer = cast("quant.QuantAdd | quant.QuantConcat", call.module)
    grids: list[Operation] = []
    meaning: Meaning | None = None
    for place, stream in enumerate(streams):
        ready = (Wire(), meaning_of(stream))
        onto, made = ready if place in layer.ready else grid(stream, layer.quantizer(place, len(streams)))
        grids.append(onto)
        meaning = made if meaning is None else meaning
    assert meaning is not None
    meaning.plain_step()
    return Meet(grids=tuple(grids), chained=isinstance(layer, quant.QuantConcat)), meaning


def shift_add(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a sum of integers as they come: each is shifted left to the smaller step."""
    layer = cast("quant.ShiftAdd", call.module)
    units = [2**bits for bits in layer.shifts]
    steps = [meaning_of(stream).plain_step() / unit for stream, unit in zip(streams, units, strict=True)]
    if not torch.allclose(steps[0], steps[1], rtol=1e-5, atol=0.0):
        raise UnknownPrecision(
            f"its shifts {layer.shifts} bring integers to the unequal steps {float(steps[0]):g} and "
            f"{float(steps[1]):g}; give ShiftAdd log2 of each step over the smaller one"
        )
    grids = tuple(Wire() if unit == 1 else Multiply(factor=torch.tensor([unit]), addend=None) for unit in units)
    return Meet(grids=grids, chained=False), replace(meaning_of(streams[0]), step=steps[0])


def hadamard(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a Hadamard classifier: sums of +1 and -1, which are its scores but for the length of the sample."""
    (stream,) = streams
    layer = cast("quant.HadamardClassifier", call.module)
    step = meaning_of(stream).plain_step() * layer.scale.detach().double().abs().cpu()
    return Sums(weight=layer.integers(), bias=None), Meaning(step=step, offset=torch.zeros_like(step), order=True)


PRODUCTS = (
    *(quant.QuantLinear, quant.QuantConv1d, quant.QuantConv2d, quant.QuantConv3d),
    *(quant.QuantConvTranspose1d, quant.QuantConvTranspose2d),
)
ACTIVATIONS = (
    *(quant.QuantIdentity, quant.QuantReLU, quant.QuantHardTanh),
    *(quant.QuantSigmoid, quant.QuantTanh, quant.QuantAffine, quant.QuantPReLU),
)

LOWERINGS: Mapping[RuleKey, Lowering] = MappingProxyType(
    {
        **dict.fromkeys(PRODUCTS, product),
        **dict.fromkeys(ACTIVATIONS, activation),
        **dict.fromkeys((quant.QuantAvgPool1d, quant.QuantAvgPool2d), average),
        quant.QuantMean: mean,
        quant.QuantAdaptiveAvgPool: adaptive,
        quant.QuantMul: multiplied,
        quant.QuantActivation: curve,
        quant.QuantScaleBias: scale_bias,
        quant.HadamardClassifier: hadamard,
        **SEQUENCES,
        quant.QuantAdd: merge,
        quant.QuantConcat: merge,
        quant.ShiftAdd: shift_add,
        **dict.fromkeys(WIRES, wire),
        **dict.fromkeys(SCALINGS, scaled),
        **dict.fromkeys(ORDER_RULES, rearranged),
        **dict.fromkeys(RESHAPES, flat),
        **dict.fromkeys((*NORMS, *RELUS), absorbed),
        **dict.fromkeys(MAX_POOLS, max_pool),
        **dict.fromkeys(ARGMAXES, label_select),
        **dict.fromkeys(SOFTMAXES, softmax),
    }
)
"""Lowering by class, function or name of a tensor method; extend with `LOWERINGS | {key: lowering}`."""
