"""Rules for operations that are not quantized layers: wires, pooling, and maps that thresholds absorb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import between, widest
from hwcost.graph.spec import LabelSelect, LayerSpec, Pool, Signal, Window

RuleKey = type[nn.Module] | Callable[..., Any] | str


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in the graph, with the values it had on the example.

    Attributes:
        module: the called module, or None for a function or a tensor method.
        args, kwargs: as called; tensors are those of the example.
    """

    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position (the tensor is 0) or name; of a module, its attribute."""
        if self.module is not None:
            return getattr(self.module, name)
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


class Rule(Protocol):
    """Describes one call: ranges and blocks from the signals that enter."""

    def __call__(self, call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec: ...


def wire(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Nothing is built: the stream passes as it is (dropout in eval mode, identity, contiguous)."""
    (signal,) = signals
    return LayerSpec(output=replace(signal, shape=shape))


def reshape(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Flattening (or no change): a wire; the next layer's weights are stored in stream order."""
    (signal,) = signals
    if shape not in {signal.shape, (prod(signal.shape),)}:
        raise UnknownOperation(
            f"reshapes a sample from {signal.shape} to {shape}, which reorders the stream; flatten it, "
            "or pass trace(..., rules=RULES | {op: rule})"
        )
    same = shape == signal.shape
    return LayerSpec(output=replace(signal, shape=shape, range=signal.range if same else widest(signal.range)))


def absorbed(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """A monotone map per channel (batch norm, float ReLU): the thresholds of the next activation absorb it."""
    (signal,) = signals
    name = type(call.module).__name__ if call.module is not None else "relu"
    return LayerSpec(output=replace(signal, shape=shape, affine=name))


def _per_dimension(value: int | tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(value)


def max_pool(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Max pooling: a sliding window and comparators; the range does not change."""
    (signal,) = signals
    image = signal.shape[1:]
    dimensions = len(image)
    if call.argument(6, "return_indices", False):
        raise UnknownOperation("max pooling with return_indices=True has no hardware; drop the indices")
    kernel = _per_dimension(call.argument(1, "kernel_size"), dimensions)
    stride = call.argument(2, "stride")
    padding = _per_dimension(call.argument(3, "padding", 0), dimensions)
    element = widest(signal.range)
    window = Window(
        channels=signal.channels,
        image=image,
        kernel=kernel,
        stride=_per_dimension(stride, dimensions) if stride is not None else kernel,
        dilation=_per_dimension(call.argument(4, "dilation", 1), dimensions),
        padding=tuple((pixels, pixels) for pixels in padding),
        output=shape[1:],
        input=element,
        depthwise=True,
    )
    pool = Pool(
        kind="max", channels=signal.channels, kernel=kernel, vectors=prod(shape[1:]), input=element, output=element
    )
    return LayerSpec(output=replace(signal, shape=shape), blocks=(window, pool))


def argmax(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """The index of the largest element of a sample: label select."""
    (signal,) = signals
    if shape != () or len(signal.shape) != 1 or call.argument(2, "keepdim", False):
        raise UnknownOperation(
            f"argmax of a sample of shape {signal.shape} to shape {shape}; its hardware takes the largest element of "
            "one vector: argmax(x, dim=1) of (N, labels)"
        )
    if signal.affine is not None:
        raise UnknownOperation(
            f"argmax behind {signal.affine}: scales per channel change which element is the largest; quantize in front "
            "of it"
        )
    (labels,) = signal.shape
    index = between(0, labels - 1)
    block = LabelSelect(channels=labels, vectors=1, input=signal.range, output=index)
    return LayerSpec(output=Signal(range=index, shape=()), blocks=(block,))


RULES: Mapping[RuleKey, Rule] = MappingProxyType(
    {
        nn.Identity: wire,
        nn.Dropout: wire,
        nn.Dropout1d: wire,
        nn.Dropout2d: wire,
        F.dropout: wire,
        "contiguous": wire,
        nn.Flatten: reshape,
        torch.flatten: reshape,
        torch.reshape: reshape,
        "flatten": reshape,
        "view": reshape,
        "reshape": reshape,
        nn.BatchNorm1d: absorbed,
        nn.BatchNorm2d: absorbed,
        nn.ReLU: absorbed,
        F.relu: absorbed,
        torch.relu: absorbed,
        "relu": absorbed,
        nn.MaxPool1d: max_pool,
        nn.MaxPool2d: max_pool,
        F.max_pool1d: max_pool,
        F.max_pool2d: max_pool,
        torch.max_pool1d: max_pool,
        torch.max_pool2d: max_pool,
        torch.argmax: argmax,
        "argmax": argmax,
    }
)
