"""Streams of integers, and how they are brought onto the grid of a quantizer."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import Range
from hwcost.graph.rules import Call
from hwcost.graph.spec import Signal
from hwcost.integer.meaning import Meaning, comparators
from hwcost.integer.operations import Chain, ChannelsLast, Multiply, Operation
from hwcost.quant import QuantScaleBias, StatScale
from hwcost.quant.layers.product import Product
from hwcost.quant.quantizers import Quantizer, common_range, common_step

Kind = TypeVar("Kind")


@dataclass(frozen=True, eq=False, kw_only=True)
class Stream:
    """Input of a step: the described signal, and the meaning of its integers; None for floats from outside."""

    signal: Signal
    meaning: Meaning | None


Lowered = tuple[Operation, Meaning | None]
"""Operation of a layer, and the meaning of its output; None where floats leave, in front of the first quantizer."""


class Lowering(Protocol):
    """Conversion of one layer or function to integers."""

    def __call__(self, call: Call, /, *streams: Stream, output: Signal) -> Lowered: ...


@dataclass(frozen=True, eq=False)
class Encode:
    """Quantizer at a float input, which runs where the data comes from.

    Attributes:
        codes: float values -> int64 codes.
        range: of the codes.
        meaning: what they stand for.
    """

    codes: Callable[[Tensor], Tensor]
    range: Range
    meaning: Meaning

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        return self.codes(x)


@dataclass(frozen=True, eq=False)
class Outside:
    """Layer in front of the first quantizer: floats to floats, where the data comes from."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        with torch.no_grad():
            return self.function(x)


def meaning_of(stream: Stream) -> Meaning:
    """Return the meaning of the integers of a stream."""
    if stream.meaning is None:
        raise UnknownPrecision("floats enter it; put a QuantIdentity in front, or pass input_bits= to trace()")
    return stream.meaning


def exact(module: Kind) -> Kind:
    """Copy a module so that it computes in float64."""
    twin = copy.deepcopy(module)
    assert isinstance(twin, nn.Module)
    twin.double().eval()
    return twin


def grid(stream: Stream, quantizer: Quantizer, function: Callable[[Tensor], Tensor] | None = None) -> Lowered:
    """Bring a stream onto the grid of a quantizer."""
    if isinstance(getattr(quantizer, "scale", None), StatScale):
        raise UnknownPrecision(
            "its scale is a statistic of the data, so it has no constant thresholds; use a RunningScale or LearnedScale"
        )
    shape, zero = stream.signal.shape, torch.zeros((), dtype=torch.float64)
    still = copy.deepcopy(quantizer)
    assert isinstance(still, nn.Module)
    still.eval()  # running statistics must not run on
    twin = exact(quantizer)
    x = torch.zeros(1, *shape, dtype=_dtype(still))
    own = still.step(x).detach().double()
    common = common_step(still, x).detach().double()
    last = stream.signal.channels_last
    step = _along_channels(common, stream.signal)
    unit = _along_channels(torch.round(own / common), stream.signal)  # of widths that differ per channel
    made = Meaning(step=step, offset=zero, last=last)
    shifted = None if bool((unit == 1).all()) else in_place(Multiply(factor=unit.to(torch.int64), addend=None), last)

    def codes(x: Tensor) -> Tensor:
        whole: Tensor = twin.integers(x if function is None else function(x))
        return whole

    def encoded(x: Tensor) -> Tensor:
        whole: Tensor = still.integers(x if function is None else function(x))
        return whole if shifted is None else shifted(whole)

    if stream.meaning is None:
        wire = quantizer.range() if shifted is None else common_range(quantizer)
        return Encode(encoded, wire, made), made
    compared = comparators(
        stream.meaning,
        stream.signal.range,
        codes,
        quantizer.range(),
        channels=stream.signal.channels,
        rank=len(shape) + 1,
    )
    found: Operation = in_place(compared, last)
    return found if shifted is None else Chain((found, shifted)), made


def in_place(operation: Operation, last: bool) -> Operation:
    """The operation where its channels are: last, or in dimension 1."""
    return ChannelsLast(operation) if last else operation


def _along_channels(number: Tensor, signal: Signal) -> Tensor:
    """() or (channels,), of a number that broadcasts against a batch of a signal."""
    if number.numel() == 1:
        return number.reshape(())
    shape = signal.shape
    full = (1,) * (1 + len(shape) - number.ndim) + tuple(number.shape)
    if full[-1 if signal.channels_last else 1] != number.numel() or number.numel() != signal.channels:
        raise UnknownPrecision(
            f"its scale has the shape {tuple(number.shape)} for samples of {shape}; give one in all or one per channel"
        )
    return number.reshape(-1)


def entering(layer: Product | QuantScaleBias, stream: Stream) -> tuple[tuple[Operation, ...], Stream]:
    """Apply a layer's input quantizer: its operations, and the stream behind it."""
    if layer.input_quant is None:
        return (), stream
    first, meaning = grid(stream, layer.input_quant)
    behind = replace(stream.signal, range=common_range(layer.input_quant), affine=None)
    return (first,), Stream(signal=behind, meaning=meaning)


def _dtype(module: nn.Module) -> torch.dtype:
    return next((number.dtype for number in module.state_dict().values() if number.is_floating_point()), torch.float32)
