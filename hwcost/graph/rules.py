"""Rules for operations that are not quantized layers: wires, pooling, and maps that thresholds absorb."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from immutabledict import immutabledict
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import between, widest
from hwcost.graph.spec import Form, LabelSelect, LayerSpec, Pool, Signal, Window

RuleKey = type[nn.Module] | Callable[..., Any] | str
"""A class of modules, a function, or the name of a tensor method."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in the graph, with the values it had on the example.

    Attributes:
        module: the called module, or None for a function or a tensor method.
        target: the called function, or the name of the method; None for a module.
        args, kwargs: as called; tensors are those of the example.
    """

    module: nn.Module | None
    target: Callable[..., object] | str | None = None
    args: tuple[object, ...]
    kwargs: Mapping[str, object]

    def __getstate__(self) -> dict[str, object]:
        """Name a function that pickle takes for a local one, as it does PyTorch's own F.max_pool2d."""
        target = self.target
        if "<locals>" in getattr(target, "__qualname__", ""):
            place = (str(target.__module__), str(getattr(target, "__name__", "")))
            if getattr(import_module(place[0]), place[1], None) is target:
                return vars(self) | {"target": place}
        return vars(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        target = state["target"]
        found = getattr(import_module(target[0]), target[1]) if isinstance(target, tuple) else target
        vars(self).update(state | {"target": found})

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position (the tensor is 0) or name; of a module, its attribute."""
        if self.module is not None:
            return getattr(self.module, name)
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def entry(table: Mapping[RuleKey, Entry], call: Call) -> Entry | None:
    """Find the entry for a call: that of its function, or of the class of its module.

    The entry of a class also serves its subclasses, but none that replaces a method of that class: it computes
    something else.

    Args:
        table: `RULES`, or another table with the same kind of keys.
        call: whose target or module is looked up.

    Returns:
        The entry, or None if there is none.

    Raises:
        UnknownOperation: the module's class replaces a method of the class that has an entry.
    """
    if call.module is None:
        return None if call.target is None else table.get(call.target)
    kind = type(call.module)
    key = next((each for each in kind.__mro__ if each in table), None)
    if key is None:
        return None
    replaced = _replaced(kind, key)
    if replaced:
        raise UnknownOperation(
            f"{kind.__name__} replaces {', '.join(replaced)} of {key.__name__}, so it cannot be treated as one"
        )
    return table[key]


def _replaced(kind: type[nn.Module], key: type[nn.Module]) -> list[str]:
    """Methods of `key` that classes between it and `kind` define again; bookkeeping of nn.Module does not count."""
    between_them = kind.__mro__[: kind.__mro__.index(key)]
    names = {name for each in between_them for name in vars(each) if hasattr(key, name)}
    return sorted(
        name
        for name in names
        if name in ("forward", "__call__")
        or not (name == "describe" or name.startswith("__") or hasattr(nn.Module, name))
    )


@runtime_checkable
class Describes(Protocol):
    """A module that can be priced: everything `trace` asks of a layer."""

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Integer ranges and hardware blocks, from the live bit-widths, without data.

        Args:
            signals: what enters, in the order of forward's tensor arguments.
            shape: of one output sample, without the batch.
        """
        ...


def refuse_other_forward(kind: type[nn.Module]) -> None:
    """Refuse a class that replaces `forward`, but not the `describe` that it inherits."""
    for each in kind.__mro__:
        if "describe" in vars(each):
            return
        if "forward" in vars(each) or "__call__" in vars(each):
            parent = next(base for base in kind.__mro__ if "describe" in vars(base))
            raise UnknownOperation(
                f"{kind.__name__} has a forward of its own, but inherits the describe() of {parent.__name__}, which "
                "says what another forward does; give it a describe() too"
            )


class Rule(Protocol):
    """Describes one call: ranges and blocks from the signals that enter."""

    def __call__(self, call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec: ...


def wire(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe a wire: the stream passes unchanged (dropout in eval mode, identity, contiguous)."""
    (signal,) = signals
    return LayerSpec(output=replace(signal, shape=shape))


def reshape(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe flattening (or no change): a wire; the next layer's weights are stored in stream order."""
    (signal,) = signals
    if shape not in {signal.shape, (prod(signal.shape),)}:
        raise UnknownOperation(
            f"reshapes a sample from {signal.shape} to {shape}, which reorders the stream; flatten it, "
            "or pass trace(..., rules=RULES | {op: rule})"
        )
    same = shape == signal.shape
    return LayerSpec(output=replace(signal, shape=shape, range=signal.range if same else widest(signal.range)))


def norm(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe batch norm in evaluation: an affine map per channel, absorbed by the next thresholds."""
    (signal,) = signals
    module: Any = call.module
    if module.running_mean is None or module.running_var is None:
        raise UnknownOperation(
            "batch norm with track_running_stats=False has no constant factors: hardware would have to measure each "
            "batch; use track_running_stats=True"
        )
    form = Form.AFFINE if signal.affine is None else max(signal.form, Form.AFFINE)
    return LayerSpec(output=replace(signal, shape=shape, affine=type(module).__name__, form=form))


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
    image = signal.shape[1:]
    flat = isinstance(call.module, nn.MaxPool1d) or call.target in (F.max_pool1d, torch.max_pool1d)
    dimensions = 1 if flat else 2
    if len(image) != dimensions:
        raise UnknownOperation(
            f"max pooling over {dimensions} dimension(s) of a sample of shape {signal.shape}; give (channels, length) "
            "to a 1-d pooling, (channels, height, width) to a 2-d one"
        )
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


def max_pool(call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
    """Describe max pooling: a sliding window and comparators; the range does not change."""
    (signal,) = signals
    if call.argument(6, "return_indices", False):
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
    if shape != () or len(signal.shape) != 1 or call.argument(2, "keepdim", False):
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
    return LayerSpec(output=Signal(range=index, shape=()), blocks=(block,))


WIRES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, F.dropout, "contiguous")
RESHAPES = (nn.Flatten, torch.flatten, torch.reshape, "flatten", "view", "reshape")
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
RELUS = (nn.ReLU, F.relu, torch.relu, "relu")
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, F.max_pool1d, F.max_pool2d, torch.max_pool1d, torch.max_pool2d)
ARGMAXES = (torch.argmax, "argmax")

_TABLE: dict[RuleKey, Rule] = {
    **dict.fromkeys(WIRES, wire),
    **dict.fromkeys(RESHAPES, reshape),
    **dict.fromkeys(NORMS, norm),
    **dict.fromkeys(RELUS, relu),
    **dict.fromkeys(MAX_POOLS, max_pool),
    **dict.fromkeys(ARGMAXES, argmax),
}
RULES: Mapping[RuleKey, Rule] = immutabledict(_TABLE)
"""Descriptions of foreign modules (by class), functions, and tensor methods (by name) for `trace`."""
