"""Lowering of what treats each element on its own, or only moves it: tables, products, sums of channels, reshapes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor

from hwcost import quant
from hwcost.graph.blocks import Table
from hwcost.graph.call import Call, Rule, RuleKey, entry
from hwcost.graph.order import (
    ORDER_RULES,
    PERMUTES,
    PICKS,
    REPEATS,
    applied,
    factors_of,
    keeps_vectors,
    permutation,
    repeat,
)
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Signal
from hwcost.integer.encoding import Lowered, Stream, exact, grid, meaning_of
from hwcost.integer.meaning import Meaning
from hwcost.integer.operations import Chain, Flat, Operation, Total, Wire
from hwcost.quant.quantizers import Quantizer


@dataclass(frozen=True, eq=False)
class Rearranged:
    """Elements moved, left out or repeated by a function of torch that computes nothing."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return self.function(x).contiguous()


@dataclass(frozen=True, eq=False, kw_only=True)
class Added:
    """Sum over all positions.

    Attributes:
        dims: dimensions that are summed.
        keep: whether they stay, with size 1.
    """

    dims: tuple[int, ...]
    keep: bool

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return x.sum(self.dims, keepdim=self.keep)


@dataclass(frozen=True, eq=False, kw_only=True)
class Looked:
    """Code that a table holds for each code.

    Attributes:
        words: int64, in the order of the codes; low: the first of them.
    """

    words: Tensor
    low: int

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return self.words[x - self.low]


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiplied:
    """Product of two streams, each brought onto its grid first."""

    grids: tuple[Operation, Operation]

    def __call__(self, *streams: Tensor) -> Tensor:
        left, right = (grid(x) for grid, x in zip(self.grids, streams, strict=True))
        return left * right


def flat(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower flattening, where one number per channel becomes one per feature, and other shapes of a sample."""
    (stream,) = streams
    signal, meaning = stream.signal, stream.meaning
    if output.shape == signal.shape:
        return Wire(), meaning
    shaped = Rearranged(partial(_shaped, output.shape))
    if meaning is None:
        return shaped, None
    if keeps_vectors(signal, output.shape):
        return shaped, meaning.reshaped(len(signal.shape) + 1, last=output.channels_last)
    if not output.shape:
        return shaped, meaning.flattened(signal.shape).single()
    if len(output.shape) == 1:
        return Flat(), meaning.flattened(signal.shape)
    meaning.plain_step()
    return shaped, replace(meaning, last=False)


def _shaped(shape: tuple[int, ...], x: Tensor) -> Tensor:
    return x.reshape(len(x), *shape)


def rearranged(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower what moves, drops, inserts or repeats elements."""
    (stream,) = streams
    signal, meaning = stream.signal, stream.meaning
    function = partial(applied, call)
    if call.target in PERMUTES:
        function = partial(_permuted, permutation(call, len(signal.shape)))
    if (factors := factors_of(signal, output.shape)) is not None and entry(SAME_VECTORS, call) is repeat:
        function = partial(_repeated, factors)
    if meaning is None:
        return Rearranged(function), None
    rank = len(signal.shape) + 1
    if output.channels != signal.channels or entry(SAME_VECTORS, call) is None:
        step = meaning.plain_step()
        return Rearranged(function), replace(meaning, step=step, last=output.channels_last)
    return Rearranged(function), meaning.reshaped(rank, last=output.channels_last)


def _repeated(factors: tuple[int, ...], x: Tensor) -> Tensor:
    for dim, factor in enumerate(factors, start=2):
        x = x.repeat_interleave(factor, dim)
    return x


def _permuted(dims: tuple[int, ...], x: Tensor) -> Tensor:
    return x.permute(0, *dims)


SAME_VECTORS: Mapping[RuleKey, Rule] = MappingProxyType(
    {key: ORDER_RULES[key] for key in (*PERMUTES, *PICKS, *REPEATS)}
)
"""Operations that leave the channels of each pixel together."""


def mean(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a mean of all positions to their sum, whose step is smaller."""
    (stream,) = streams
    layer, meaning = cast("quant.QuantMean", call.module), meaning_of(stream)
    rank = len(stream.signal.shape) + 1
    count = prod(stream.signal.shape[each % rank - 1] for each in layer.dim)
    made = meaning.reshaped(rank, last=output.channels_last)
    return Added(dims=layer.dim, keep=layer.keepdim), replace(made, step=meaning.step / count)


def adaptive(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a pooling to a given size: windows that do not overlap."""
    (stream,) = streams
    meaning = meaning_of(stream)
    kernel = tuple(size // count for size, count in zip(stream.signal.shape[1:], output.shape[1:], strict=True))
    return Total(kernel=kernel, stride=kernel, shift=0), replace(meaning, step=meaning.step / prod(kernel))


def multiplied(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower an element-wise product."""
    layer = cast("quant.QuantMul", call.module)
    sides: list[tuple[Operation, Meaning]] = []
    for stream, quantizer in zip(streams, (layer.left_quant, layer.right_quant), strict=True):
        found, meaning = _onto(stream, quantizer)
        sides.append((found, meaning))
    (left, a), (right, b) = sides
    step = a.plain_step() * b.plain_step()
    made = Meaning(step=step, offset=torch.zeros_like(step), last=output.channels_last)
    return Multiplied(grids=(left, right)), made


def _onto(stream: Stream, quantizer: Quantizer | None) -> tuple[Operation, Meaning]:
    if quantizer is None:
        return Wire(), meaning_of(stream)
    found, meaning = grid(stream, quantizer)
    assert meaning is not None  # a quantizer gives integers
    return found, meaning


def curve(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower an activation of any shape: thresholds where it only rises, else a table."""
    (stream,) = streams
    layer = cast("quant.QuantActivation", call.module)
    assert layer.quant is not None  # one in float has no description
    twin, signal = exact(layer), stream.signal
    if not any(isinstance(block, Table) for block in layer.describe(signal, shape=output.shape).blocks):
        return grid(stream, layer.quant, twin.function if stream.meaning is not None else partial(_outside, layer))
    first, meaning = _onto(stream, layer.input_quant)
    wire = widest(signal.range if layer.input_quant is None else layer.input_quant.range())
    low, high = int(wire.low), int(wire.high)
    values = torch.arange(low, high + 1, dtype=torch.float64) * meaning.plain_step()
    assert twin.quant is not None
    with torch.no_grad():
        words = twin.quant.integers(twin.function(values[None, :])).reshape(-1)
    made = grid(replace(stream, meaning=None), layer.quant)[1]  # what its codes stand for, whatever makes them
    return Chain((first, Looked(words=words, low=low))), made


def _outside(layer: "quant.QuantActivation", x: Tensor) -> Tensor:
    """Values that the layer's last quantizer reads where floats enter."""
    return layer.function(x if layer.input_quant is None else layer.input_quant(x))
