"""What enters a layer, as its hardware sees it."""

from __future__ import annotations

from dataclasses import replace

import torch

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block, Signal, Thresholds
from hwcost.quant.quantizers import Quantizer


def entering(signal: Signal, input_quant: Quantizer | None) -> tuple[Signal, tuple[Block, ...]]:
    """The signal that reaches the multipliers: behind the input quantizer, if there is one, with its thresholds.

    Raises:
        UnknownPrecision: no width, or an affine map that nothing has absorbed.
    """
    if input_quant is not None:
        wire = input_quant.range()
        inner = Signal(range=wire, shape=signal.shape)
        if not signal.range.known:  # quantized where the data comes from
            return inner, ()
        return inner, (thresholds(signal, wire),)
    if not signal.range.known:
        raise UnknownPrecision(
            f"the input of shape {signal.shape} has no bit-width; give the layer an input_quant=, put a QuantIdentity "
            "in front, or pass input_bits= to trace()"
        )
    return integer(signal), ()


def integer(signal: Signal) -> Signal:
    """The signal, if it is one of integers of one scale.

    Raises:
        UnknownPrecision: an affine map that nothing has absorbed.
    """
    if signal.affine is not None:
        raise UnknownPrecision(
            f"the input still carries the float map of {signal.affine}, so it is no integer; put a QuantReLU or "
            "QuantIdentity in between, or give the layer an input_quant="
        )
    return signal


def thresholds(signal: Signal, output: Range) -> Thresholds:
    """The comparators that turn a signal into `output`."""
    return Thresholds(channels=signal.channels, vectors=signal.positions, input=signal.range, output=output)


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


def sample_rank(shape: tuple[int, ...], rank: int, owner: str) -> None:
    """Refuse a sample of another rank than the layer's hardware has."""
    if len(shape) != rank:
        raise BadOption(f"{owner}: a sample of shape {shape}; its hardware takes {rank} dimension(s); flatten it first")
