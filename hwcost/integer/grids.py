"""Streams of integers, and how they are brought onto the grid of a quantizer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import Range
from hwcost.graph.rules import Call
from hwcost.graph.spec import Signal
from hwcost.integer.meaning import Meaning, comparators
from hwcost.integer.operations import Operation
from hwcost.quant import StatScale


@dataclass(frozen=True, eq=False, kw_only=True)
class Stream:
    """What enters a step: the described signal, and what its integers mean; None for floats from outside."""

    signal: Signal
    meaning: Meaning | None


Lowered = tuple[Operation, Meaning]


class Lowering(Protocol):
    """One layer or function on integers."""

    def __call__(self, call: Call, /, *streams: Stream, output: Signal) -> Lowered: ...


@dataclass(frozen=True, eq=False)
class Encode:
    """The quantizer at a float input: it runs where the data comes from.

    Attributes:
        codes: float values -> int64 codes.
        range: of the codes.
        meaning: what they stand for.
    """

    codes: Callable[[Tensor], Tensor]
    range: Range
    meaning: Meaning

    def __call__(self, *streams: Tensor) -> Tensor:
        """Float values -> int64 codes."""
        (x,) = streams
        return self.codes(x)


def meaning_of(stream: Stream) -> Meaning:
    """What the integers stand for.

    Raises:
        UnknownPrecision: floats enter.
    """
    if stream.meaning is None:
        raise UnknownPrecision("floats enter it; put a QuantIdentity in front, or pass input_bits= to trace()")
    return stream.meaning


def exact(module: nn.Module) -> Any:
    """A copy that computes in float64."""
    return copy.deepcopy(module).double().eval()


def grid(stream: Stream, quantizer: Any, function: Callable[[Tensor], Tensor] | None = None) -> Lowered:
    """A stream brought onto the grid of a quantizer."""
    if isinstance(getattr(quantizer, "scale", None), StatScale):
        raise UnknownPrecision(
            "its scale is a statistic of the data, so it has no constant thresholds; use a RunningScale or LearnedScale"
        )
    shape, zero = stream.signal.shape, torch.zeros((), dtype=torch.float64)
    still = copy.deepcopy(quantizer).eval()  # running statistics must not run on
    twin = exact(quantizer)
    step = still.step(torch.zeros(1, *shape, dtype=_dtype(quantizer))).detach().double()
    made = Meaning(step=step.reshape(()) if step.numel() == 1 else step.reshape(-1), offset=zero)

    def codes(x: Tensor) -> Tensor:
        whole: Tensor = twin.integers(x if function is None else function(x))
        return whole

    def encoded(x: Tensor) -> Tensor:
        whole: Tensor = still.integers(x if function is None else function(x))
        return whole

    if stream.meaning is None:
        return Encode(encoded, quantizer.range(), made), made
    found = comparators(
        stream.meaning,
        stream.signal.range,
        codes,
        quantizer.range(),
        channels=stream.signal.channels,
        rank=len(shape) + 1,
    )
    return found, made


def entering(layer: Any, stream: Stream) -> tuple[tuple[Operation, ...], Stream]:
    """What a layer's input quantizer does to the stream, and the stream behind it."""
    if layer.input_quant is None:
        return (), stream
    first, meaning = grid(stream, layer.input_quant)
    behind = replace(stream.signal, range=layer.input_quant.range(), affine=None)
    return (first,), Stream(signal=behind, meaning=meaning)


def _dtype(module: nn.Module) -> torch.dtype:
    return next((number.dtype for number in module.state_dict().values() if number.is_floating_point()), torch.float32)
