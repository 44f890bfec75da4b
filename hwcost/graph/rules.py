"""Rules for operations that are not quantized layers: wires, pooling, and maps that thresholds absorb."""

import operator
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from immutabledict import immutabledict
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.graph.call import Call as Call
from hwcost.graph.call import Describes as Describes
from hwcost.graph.call import Rule as Rule
from hwcost.graph.call import RuleKey as RuleKey
from hwcost.graph.call import entry as entry
from hwcost.graph.call import refuse_other_forward as refuse_other_forward
from hwcost.graph.order import ORDER_RULES
from hwcost.graph.order import RESHAPES as RESHAPES
from hwcost.graph.ranges import between, widest
from hwcost.graph.remedies import remedy
from hwcost.graph.spec import Form, LabelSelect, LayerSpec, Pool, Signal, Window


def wire(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a wire: the stream passes unchanged (dropout in eval mode, identity, contiguous)."""
    (signal,) = signals
    return LayerSpec(output=replace(signal, shape=shape))


def norm(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe batch norm in evaluation: an affine map per channel, absorbed by the next thresholds."""
    (signal,) = signals
    module: Any = call.module
    if module.running_mean is None or module.running_var is None:
        raise UnknownOperation(
            "batch norm with track_running_stats=False has no constant factors: hardware would have to measure each "
            "batch; use track_running_stats=True"
        )
    if signal.channels_last:
        raise UnknownOperation(
            f"{type(module).__name__} has factors for the first dimension of {signal.shape}, and the channels stand "
            "last; move them first with transpose(1, 2)"
        )
    form = Form.AFFINE if signal.affine is None else max(signal.form, Form.AFFINE)
    return LayerSpec(output=replace(signal, shape=shape, affine=type(module).__name__, form=form, shifts=False))


def relu(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a float ReLU: a monotone map, absorbed by the next thresholds."""
    (signal,) = signals
    form = Form.MONOTONE if signal.affine is None else max(signal.form, Form.MONOTONE)
    return LayerSpec(output=replace(signal, shape=shape, affine="ReLU", form=form))


def _per_dimension(value: int | tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(value)


def max_pool_window(call: Call, signal: Signal, output: tuple[int, ...]) -> Window:
    """Make the sliding window of a max pooling; rows and columns that only ceil_mode reaches count as padding behind.

    Args:
        call: of the pooling.
        signal: what enters.
        output: spatial shape of what leaves.

    Raises:
        UnknownOperation: samples of another rank.
    """
    image = signal.spatial
    flat = isinstance(call.module, nn.MaxPool1d | nn.AdaptiveMaxPool1d) or call.target in FLAT_POOLS
    dimensions = 1 if flat else 2
    if len(image) != dimensions or signal.channels_last:
        raise UnknownOperation(
            f"max pooling over {dimensions} dimension(s) of a sample of shape {signal.shape}; give (channels, length) "
            "to a 1-d pooling, (channels, height, width) to a 2-d one"
        )
    if isinstance(call.module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d) or call.target in ADAPTIVE_POOLS:
        return _adaptive_window(signal, output)
    kernel = _per_dimension(call.argument(1, "kernel_size"), dimensions)
    given = call.argument(2, "stride")
    stride = kernel if given is None else _per_dimension(given, dimensions)
    dilation = _per_dimension(call.argument(4, "dilation", 1), dimensions)
    before = _per_dimension(call.argument(3, "padding", 0), dimensions)
    needed = [
        (pixels - 1) * step + (size - 1) * apart + 1 - length - first
        for pixels, step, size, apart, length, first in zip(
            output, stride, kernel, dilation, image, before, strict=True
        )
    ]
    return Window(
        channels=signal.channels,
        image=image,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=tuple((first, max(first, last)) for first, last in zip(before, needed, strict=True)),
        output=output,
        input=widest(signal.range),
        depthwise=True,
    )


def _adaptive_window(signal: Signal, output: tuple[int, ...]) -> Window:
    """Make the window of an adaptive max pooling: as many pixels for each output along a side.

    Raises:
        UnknownOperation: a side that is no multiple of the output's.
    """
    image = signal.spatial
    if any(pixels % wanted for pixels, wanted in zip(image, output, strict=True)):
        raise UnknownOperation(
            f"pools {image} pixels adaptively to {output}, with windows of several sizes; give an output size that "
            "divides them"
        )
    return Window.tiles(signal.channels, image, output, widest(signal.range))


def max_pool(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe max pooling: a sliding window and comparators; the range does not change."""
    (signal,) = signals
    if call.argument(6, "return_indices", False) is True:
        raise UnknownOperation("max pooling with return_indices=True has no hardware; drop the indices")
    window = max_pool_window(call, signal, shape[1:])
    element = window.input
    pool = Pool(
        kind="max",
        channels=signal.channels,
        kernel=window.kernel,
        vectors=prod(shape[1:]),
        input=element,
        output=element,
    )
    return LayerSpec(output=replace(signal, shape=shape), blocks=(window, pool))


def argmax(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe argmax of a sample: label select."""
    (signal,) = signals
    if shape not in ((), (1,)) or len(signal.shape) != 1:
        raise UnknownOperation(
            f"argmax of a sample of shape {signal.shape} to shape {shape}; its hardware takes the largest element of "
            "one vector: argmax(x, dim=1) of (N, labels)"
        )
    if signal.affine is not None and signal.form is not Form.ORDER:
        raise UnknownOperation(
            f"argmax behind {signal.affine}: a map per channel changes which element is the largest; quantize in front "
            "of it"
        )
    (labels,) = signal.shape
    index = between(0, labels - 1)
    block = LabelSelect(channels=labels, vectors=1, input=signal.range, output=index)
    return LayerSpec(output=Signal(range=index, shape=shape), blocks=(block,))


def softmax(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a softmax of scores: no hardware; the host computes it, or an argmax behind it needs none."""
    (signal,) = signals
    if len(signal.shape) != 1 or call.argument(1, "dim") not in (1, -1):
        raise UnknownOperation(
            f"a softmax of a sample of shape {signal.shape}; the host takes that of one vector, (N, labels) with dim=1"
        )
    plain = signal.affine is None
    behind = "a softmax" if plain else f"a softmax of what has {signal.affine}"
    return LayerSpec(output=replace(signal, affine=behind, form=Form.ORDER if plain else Form.HOST))


def scaling(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a number that is multiplied or added: another step, or an offset that thresholds absorb."""
    number = factor_and_addend(call)
    if len(signals) != 1 or number is None:
        raise UnknownOperation(remedy_of_two(call, len(signals)))
    factor, addend = number
    (signal,) = signals
    if factor > 0 and addend == 0:
        return LayerSpec(output=replace(signal, shape=shape, grid=call))
    form = Form.AFFINE if signal.affine is None else max(signal.form, Form.AFFINE)
    return LayerSpec(output=replace(signal, shape=shape, affine="a number that is added or multiplied", form=form))


def factor_and_addend(call: Call) -> tuple[float, float] | None:
    """(factor, addend) of a call that scales or shifts a stream by numbers of Python; None of any other."""
    left, right = (*call.args, *call.kwargs.values())[:2]
    kind = SCALINGS[call.target]  # type: ignore[index] # a key of it
    if isinstance(left, int | float) and isinstance(right, torch.Tensor):
        known = {"add": (1.0, float(left)), "mul": (float(left), 0.0), "sub": (-1.0, float(left))}
        return known.get(kind)
    if not isinstance(right, int | float):
        return None
    number = float(right)
    known = {"add": (1.0, number), "mul": (number, 0.0), "sub": (1.0, -number)}
    return (1 / number, 0.0) if kind == "div" and number else known.get(kind)


def remedy_of_two(call: Call, streams: int) -> str:
    """Advise on a sum, difference, product or quotient that is not one by a number."""
    kind = str(getattr(call.target, "__name__", call.target))
    return f"{kind} of {streams} stream(s) has no rule and no describe(); {remedy(call)}"


WIRES = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, torch.dropout),
    *("contiguous", "clone", "detach", "float", torch.clone),
)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
RELUS = (nn.ReLU, F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")
ADAPTIVE_POOLS = (F.adaptive_max_pool1d, F.adaptive_max_pool2d)
FLAT_POOLS = (F.max_pool1d, torch.max_pool1d, F.adaptive_max_pool1d)
MAX_POOLS = (
    *(nn.MaxPool1d, nn.MaxPool2d, F.max_pool1d, F.max_pool2d, torch.max_pool1d, torch.max_pool2d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, *ADAPTIVE_POOLS),
)
ARGMAXES = (torch.argmax, "argmax")
SOFTMAXES = (nn.Softmax, nn.LogSoftmax)

SCALINGS: Mapping[RuleKey, str] = immutabledict(
    {
        **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), "add"),
        **dict.fromkeys((operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply"), "mul"),
        **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), "sub"),
        **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div", "div_"), "div"),
    }
)
"""Functions that scale or shift a stream, where their other operand is a number -> what they do."""

_TABLE: dict[RuleKey, Rule] = {
    **dict.fromkeys(SCALINGS, scaling),
    **dict.fromkeys(WIRES, wire),
    **ORDER_RULES,
    **dict.fromkeys(NORMS, norm),
    **dict.fromkeys(RELUS, relu),
    **dict.fromkeys(MAX_POOLS, max_pool),
    **dict.fromkeys(ARGMAXES, argmax),
    **dict.fromkeys(SOFTMAXES, softmax),
}


class _Rules(immutabledict[RuleKey, Rule]):
    """Rules with a name that fits a signature."""

    def __repr__(self) -> str:
        return f"<{len(self)} rules>"


RULES: Mapping[RuleKey, Rule] = _Rules(_TABLE)
"""Descriptions of foreign modules (by class), functions, and tensor methods (by name) for `trace`."""
