"""Rules for operations that change the order or the number of a stream's elements, and no element itself."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from operator import getitem
from typing import Any

import torch
import torch.nn.functional as F
from immutabledict import immutabledict
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.graph.blocks import Pad, Reorder, Repeat
from hwcost.graph.call import Call, Rule, RuleKey
from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import LayerSpec
from hwcost.graph.wire import Signal

QUANTIZE = "put a QuantIdentity in front"


def reshape(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe flattening, and shapes with the same vectors: wires; weights are stored in stream order."""
    (signal,) = signals
    if prod(shape) != prod(signal.shape):
        raise UnknownOperation(
            f"reshapes a sample of shape {signal.shape} to {shape}, which moves elements between samples; keep the "
            "batch dimension as it is"
        )
    if shape == signal.shape:
        return LayerSpec(output=replace(signal, shape=shape))
    if keeps_vectors(signal, shape):
        return LayerSpec(output=replace(signal, shape=shape, channels_last=signal.channels_last and len(shape) > 1))
    flat, wide = replace(signal, shape=shape, channels_last=False), widest(signal.range)
    if len(shape) == 1 or prod(shape) == 1:
        return LayerSpec(output=replace(flat, range=wide))
    single = signal.outside and 1 in (shape[0], signal.shape[0])  # one channel more or less is no other order
    if len(signal.shape) > 1 and not single:
        raise UnknownOperation(
            f"reshapes a sample from {signal.shape} to {shape}, which reorders the stream; flatten it, keep its "
            "channels as they are, or pass trace(..., rules=RULES | {op: rule})"
        )
    plain(signal)
    return LayerSpec(output=replace(flat, range=wide))


def keeps_vectors(signal: Signal, shape: tuple[int, ...]) -> bool:
    """Whether a shape has the same channels in the same place, so that only its other dimensions change.

    Args:
        signal: what enters.
        shape: of a sample that leaves, with as many elements.
    """
    return bool(shape) and signal.channels == shape[-1 if signal.channels_last else 0]


def plain(signal: Signal) -> Signal:
    """The signal, if its integers are values but for one common step.

    Raises:
        UnknownOperation: a map per channel that nothing has absorbed.
    """
    if signal.affine is not None:
        raise UnknownOperation(f"{signal.affine} belongs to channels that do not stay together; {QUANTIZE}")
    return signal


def applied(call: Call, x: Tensor) -> Tensor:
    """The result of a call's function, method or module on another tensor."""
    if call.module is not None:
        return call.module(x)  # type: ignore[no-any-return] # a module of torch
    if isinstance(call.target, str):
        return getattr(x, call.target)(*call.args[1:], **call.kwargs)  # type: ignore[no-any-return] # a method of torch
    assert call.target is not None
    return call.target(x, *call.args[1:], **call.kwargs)  # type: ignore[return-value] # a function of torch


def permutation(call: Call, rank: int) -> tuple[int, ...]:
    """The dimension of a sample that each dimension of the result is; the batch is dimension 0 of both.

    Raises:
        UnknownOperation: the batch is moved.
    """
    sizes = applied(call, torch.empty(*range(2, 3 + rank), device="meta")).shape
    dims = tuple(size - 2 for size in sizes)
    if dims[0] != 0:
        raise UnknownOperation("moves the batch dimension; keep it first (batch_first=True of recurrent layers)")
    return dims[1:]


def permute(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe moving the channels first or last: a wire, because on it they always stand together."""
    (signal,) = signals
    dims = permutation(call, len(signal.shape))
    place = dims.index(len(dims) if signal.channels_last else 1) if dims else 0
    others = [dim for dim in dims if dim != (len(dims) if signal.channels_last else 1)]
    if others != sorted(others) or place not in (0, len(dims) - 1):
        raise UnknownOperation(
            f"permutes a sample of shape {signal.shape} to {shape}, which transposes the image in the stream; only "
            "the channels can be moved, to the first or the last dimension"
        )
    return LayerSpec(output=replace(signal, shape=shape, channels_last=place > 0))


def picked(call: Call, signal: Signal) -> tuple[tuple[int, int], ...]:
    """The first element, and the one behind the last, that a slice or selection keeps along each dimension.

    Raises:
        UnknownOperation: it does not keep a block of elements of every sample.
    """
    number = torch.arange(2 * prod(signal.shape)).reshape(2, *signal.shape)
    kept = applied(call, number).flatten()
    places = torch.unravel_index(kept, number.shape) if kept.numel() else ()
    box = tuple((int(place.amin()), int(place.amax()) + 1) for place in places)
    if not box or box[0] != (0, 2) or not torch.equal(number[tuple(slice(*each) for each in box)].flatten(), kept):
        raise UnknownOperation(
            f"keeps no block of neighbouring elements of a sample of shape {signal.shape}; use slices of step 1"
        )
    return box[1:]


def pick(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a slice, a piece of chunk or split, or one element of a dimension: what is not wanted is dropped."""
    (signal,) = signals
    kept = picked(call, signal)
    if all(each == (0, size) for each, size in zip(kept, signal.shape, strict=True)):
        return reshape(call, signal, shape=shape)
    channel = len(kept) - 1 if signal.channels_last else 0
    low, high = kept[channel]
    if shape and shape[-1 if signal.channels_last else 0] != high - low:
        raise UnknownOperation(f"keeps one channel of {signal.shape} and drops the dimension; keep it, as x[:, 0:1]")
    wire = signal.range
    if (low, high) != (0, signal.channels):
        plain(signal)
        wire = wire.each(lambda bound: bound if bound.ndim == 0 else bound[low:high])
    order = (channel, *(dim for dim in range(len(kept)) if dim != channel))
    pads = tuple((-kept[dim][0], kept[dim][1] - signal.shape[dim]) for dim in order)
    block = Pad(
        sides=tuple(signal.shape[dim] for dim in order), pads=pads, input=widest(signal.range), output=widest(wire)
    )
    output = replace(signal, shape=shape, range=wire, channels_last=signal.channels_last and len(shape) > 1)
    return LayerSpec(output=output, blocks=(block,))


def padding(call: Call, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) along each dimension of a sample, of a call that pads with zeros.

    Raises:
        UnknownOperation: it pads with something else, or the batch.
    """
    value = call.argument(3, "value", 0)
    mode = "constant" if call.module is not None else call.argument(2, "mode", "constant")
    flat = call.argument(1, "padding" if call.module is not None else "pad")
    if mode != "constant" or value not in (0, None):
        raise UnknownOperation(
            f"pads with {value if mode == 'constant' else mode!r}; hardware pads with zeros: use nn.ZeroPad2d"
        )
    pairs = [(int(flat[at]), int(flat[at + 1])) for at in range(0, len(flat), 2)]
    if len(pairs) > rank:
        raise UnknownOperation("pads the batch dimension; pad the dimensions of a sample alone")
    return tuple([(0, 0)] * (rank - len(pairs)) + pairs[::-1])


def pad(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe zeros around a sample: counters that insert them; a negative number drops elements."""
    (signal,) = signals
    pads = padding(call, len(signal.shape))
    channel = len(pads) - 1 if signal.channels_last else 0
    order = (channel, *(dim for dim in range(len(pads)) if dim != channel))
    wire = widest(signal.range)
    if any(side > 0 for pair in pads for side in pair):
        plain(signal)
        wire = with_zero(wire)
    block = Pad(
        sides=tuple(signal.shape[dim] for dim in order),
        pads=tuple(pads[dim] for dim in order),
        input=widest(signal.range),
        output=wire,
    )
    return LayerSpec(output=replace(signal, shape=shape, range=wire), blocks=(block,))


def with_zero(wire: Range) -> Range:
    """The range of a wire that also carries zeros."""
    if wire.bipolar:
        raise UnknownOperation("zeros in a bipolar (-1, +1) stream: zero has no code there; use a ternary one")
    zero = torch.zeros_like(wire.low)
    return replace(wire, low=torch.minimum(wire.low, zero), high=torch.maximum(wire.high, zero))


def repeat(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe nearest-neighbour upsampling by whole factors: a buffer of a line that is read again."""
    (signal,) = signals
    mode = call.argument(3, "mode", "nearest")
    factors = factors_of(signal, shape)
    if mode not in ("nearest", "nearest-exact") or factors is None:
        raise UnknownOperation(
            f"upsamples {signal.shape} to {shape} by {mode}; hardware repeats pixels: use mode='nearest' with a whole "
            "factor, or QuantConvTranspose2d, which learns what stands between them"
        )
    block = Repeat(channels=signal.channels, image=signal.spatial, factors=factors, input=widest(signal.range))
    return LayerSpec(output=replace(signal, shape=shape), blocks=(block,))


def factors_of(signal: Signal, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Whole factors from the pixels that enter to those of `shape`; None where there are none."""
    after = replace(signal, shape=shape)
    if len(shape) != len(signal.shape) or after.channels != signal.channels or signal.channels_last:
        return None
    whole = all(big % small == 0 for big, small in zip(after.spatial, signal.spatial, strict=True))
    return tuple(big // small for big, small in zip(after.spatial, signal.spatial, strict=True)) if whole else None


def pixel_shuffle(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a pixel shuffle or unshuffle: lines of pixels are written in one order and read in another."""
    (signal,) = signals
    if len(signal.shape) != 3:
        raise UnknownOperation(f"shuffles a sample of shape {signal.shape}; give it (channels, height, width)")
    plain(signal)
    lines = max(signal.shape[1] // shape[1], 1)  # of the input that one line of the output takes
    block = Reorder(
        channels=shape[0],
        vectors=prod(shape[1:]),
        held=signal.channels * signal.shape[2] * lines,
        lanes=1,
        input=widest(signal.range),
    )
    return LayerSpec(output=replace(signal, shape=shape, range=block.input), blocks=(block,))


def channel_shuffle(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe groups of channels that are interleaved: each pixel is written in one order and read in another."""
    (signal,) = signals
    if len(signal.shape) < 2 or signal.channels_last:
        raise UnknownOperation(f"shuffles the channels of a sample of shape {signal.shape}; give it (channels, ...)")
    plain(signal)
    count, wire = signal.channels, widest(signal.range)
    block = Reorder(channels=count, vectors=prod(signal.spatial), held=count, lanes=1, input=wire)
    return LayerSpec(output=replace(signal, shape=shape, range=block.input), blocks=(block,))


RESHAPES = (
    *(nn.Flatten, nn.Unflatten, torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, torch.unflatten),
    *("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "squeeze_", "unsqueeze_", "view_as"),
)
PERMUTES = (
    torch.permute,
    torch.transpose,
    torch.swapaxes,
    torch.movedim,
    "permute",
    "transpose",
    "swapaxes",
    "movedim",
)
PICKS = (getitem, torch.narrow, torch.select, "narrow", "select")
PADS = (F.pad, nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
REPEATS = (nn.Upsample, nn.UpsamplingNearest2d, F.interpolate, F.upsample)
SHUFFLES = (nn.PixelShuffle, nn.PixelUnshuffle, F.pixel_shuffle, F.pixel_unshuffle)

INTERLEAVED = (nn.ChannelShuffle, torch.channel_shuffle)

_TABLE: dict[RuleKey, Rule] = {
    **dict.fromkeys(RESHAPES, reshape),
    **dict.fromkeys(PERMUTES, permute),
    **dict.fromkeys(PICKS, pick),
    **dict.fromkeys(PADS, pad),
    **dict.fromkeys(REPEATS, repeat),
    **dict.fromkeys(SHUFFLES, pixel_shuffle),
    **dict.fromkeys(INTERLEAVED, channel_shuffle),
}
ORDER_RULES: Mapping[RuleKey, Rule] = immutabledict(_TABLE)
"""Descriptions of what moves, drops, inserts or repeats elements."""


def piece(source: Tensor, call: Any, index: int) -> tuple[slice | int, ...]:
    """The index that a piece of chunk, split or unbind stands for.

    Args:
        source: what is split, on the example.
        call: the pieces, on the example.
        index: which of them.
    """
    one = call[index]
    if one.ndim < source.ndim:  # unbind: the dimension whose size is the number of pieces, and which is missing
        fits = [
            dim
            for dim in range(source.ndim)
            if source.shape[dim] == len(call) and torch.equal(source.select(dim, index), one)
        ]
        return (*[slice(None)] * fits[0], index % len(call))
    dim = next((d for d in range(one.ndim) if one.shape[d] != source.shape[d]), 1)
    sizes = [part.shape[dim] for part in call]
    start = sum(sizes[: index % len(call)])
    return (*[slice(None)] * dim, slice(start, start + one.shape[dim]))
