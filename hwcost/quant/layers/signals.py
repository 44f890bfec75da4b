"""Streams that enter a layer, as its hardware sees them."""

from __future__ import annotations

from dataclasses import replace

import torch

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block, Form, Signal, Thresholds
from hwcost.quant.measured_scale import StatScale
from hwcost.quant.quantizers import Quantizer, common_range, per_channel


def quantized(quantizer: Quantizer, signal: Signal) -> tuple[Range, Signal]:
    """The codes that a quantizer of a stream makes, and the stream that they become.

    Where widths differ from channel to channel, the stream counts in the finest of their steps.

    Args:
        quantizer: of the stream.
        signal: the stream in front of it.

    Raises:
        UnknownPrecision: a scale that depends on the data, for which no constant thresholds exist.
    """
    scale = getattr(quantizer, "scale", None)
    if isinstance(scale, StatScale) and not scale.over:
        raise UnknownPrecision(
            "its scale is a statistic of the data, so it has no constant thresholds; use a RunningScale or LearnedScale"
        )
    own = quantizer.range()
    counted, codes = common_range(quantizer, own), _per_channel(own)
    wire = codes if counted is own else _per_channel(counted)
    power = bool(getattr(quantizer, "power", False))
    stream = replace(signal, range=wire, affine=None, form=Form.AFFINE, grid=quantizer, shifts=power)
    if _steps_per_channel(quantizer):
        stream = replace(stream, affine="one scale per channel of a quantizer", form=Form.SCALE)
    return codes, stream


def _per_channel(wire: Range) -> Range:
    """() or (channels,), of a range that broadcasts against a stream."""
    return wire if wire.low.ndim == 0 else wire.each(per_channel)


def _steps_per_channel(quantizer: Quantizer) -> bool:
    known = getattr(quantizer, "per_channel", None)
    if known is not None:
        return bool(known)
    with torch.no_grad():  # a quantizer of the user's own
        return quantizer.step().numel() > 1


def entering(signal: Signal, input_quant: Quantizer | None, *, apart: bool = False) -> tuple[Signal, tuple[Block, ...]]:
    """The signal that reaches the multipliers: behind the input quantizer, if there is one, with its thresholds.

    Args:
        signal: in front of the layer.
        input_quant: of the layer.
        apart: whether the layer keeps channels apart, so that each may have a scale of its own.

    Raises:
        UnknownPrecision: no width, or a map per channel that nothing has absorbed.
    """
    if input_quant is not None:
        codes, inner = quantized(input_quant, signal)
        integer(inner, apart=apart)
        if not signal.range.known:  # quantized where the data comes from
            return inner, ()
        return inner, (thresholds(signal, codes, shifts=inner.shifts),)
    if not signal.range.known:
        raise UnknownPrecision(
            f"the input of shape {signal.shape} has no bit-width; give the layer an input_quant=, put a QuantIdentity "
            "in front, or pass input_bits= to trace()"
        )
    return integer(signal, apart=apart), ()


def integer(signal: Signal, *, apart: bool = False) -> Signal:
    """The signal, if it is one of integers of one scale; with `apart`, of one scale for each channel.

    Raises:
        UnknownPrecision: a map per channel that nothing has absorbed.
    """
    _same_in_every_sample(signal)
    if signal.affine is not None and signal.form is Form.SCALE:
        if apart:
            return signal
        raise UnknownPrecision(
            f"the input has {signal.affine}, which no sum over channels can factor out; put a QuantReLU or "
            "QuantIdentity with one scale for all channels in between, or give the layer an input_quant="
        )
    if signal.affine is not None:
        raise UnknownPrecision(
            f"the input still carries the float map of {signal.affine}, so it is no integer; put a QuantReLU or "
            "QuantIdentity in between, or give the layer an input_quant="
        )
    return signal


def thresholds(signal: Signal, output: Range, *, shifts: bool = False) -> Thresholds:
    """The comparators that turn a signal into `output`.

    Args:
        signal: what is compared.
        output: the codes.
        shifts: whether the steps of the codes are powers of two, and nothing but a clip stands in between.

    Raises:
        UnknownPrecision: values that differ from sample to sample where the integers are equal.
    """
    _same_in_every_sample(signal)
    return Thresholds(
        channels=signal.channels,
        vectors=signal.positions,
        input=signal.range,
        output=output,
        shifted=shifts and signal.shifts,
    )


def _same_in_every_sample(signal: Signal) -> None:
    if signal.affine is not None and signal.form >= Form.ORDER:
        raise UnknownPrecision(
            f"the input has {signal.affine}, which no integer tells, so that there are no constant thresholds; only "
            "argmax can follow, or nothing"
        )


def by_column(signal: Signal, cols: int) -> Range | None:
    """Range of the input of every column of a product; None where all channels have the same.

    Args:
        signal: that enters.
        cols: inputs of an output, the elements of one channel side by side.
    """
    wire = signal.range
    return wire.each(lambda bound: bound.repeat_interleave(cols // len(bound))) if wire.bits.ndim else None


def with_zero(wire: Range) -> Range:
    """The range of a wire that also carries the zeros of padding.

    Raises:
        UnknownPrecision: a bipolar wire has no code for zero.
    """
    # the compiler cannot branch on numbers; describe() and the first call without it check
    if not torch.compiler.is_compiling() and wire.bipolar:
        raise UnknownPrecision(
            "zero padding of a bipolar (-1, +1) input: zero has no code there; use padding=0 or a ternary input"
        )
    zero = torch.zeros_like(wire.low)
    return replace(wire, low=torch.minimum(wire.low, zero), high=torch.maximum(wire.high, zero))


def in_order(signal: Signal, *, channels_last: bool, owner: str) -> None:
    """Refuse a stream whose vectors hold another dimension than the one that a layer multiplies.

    Args:
        signal: what enters.
        channels_last: whether the layer takes channels from the last dimension, else from the first.
        owner: name of the layer, for the message.

    Raises:
        BadOption: its hardware would have to transpose whole samples.
    """
    if len(signal.shape) > 1 and signal.channels_last != channels_last and not signal.outside:
        place, other = ("last", "first") if channels_last else ("first", "last")
        raise BadOption(
            f"{owner}: a sample of shape {signal.shape} whose channels stand {other}; its hardware takes vectors of "
            f"the {place} dimension: flatten it, or move the channels there with permute or transpose"
        )


def sample_rank(shape: tuple[int, ...], rank: int, owner: str) -> None:
    """Refuse a sample of another rank than the layer's hardware has."""
    if len(shape) != rank:
        raise BadOption(f"{owner}: a sample of shape {shape}; its hardware takes {rank} dimension(s); flatten it first")
