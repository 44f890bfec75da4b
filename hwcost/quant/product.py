"""What linear layers and convolutions share: quantized operands, and the matrix-vector unit behind them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.ranges import Range, dot, widest
from hwcost.spec import Block, LayerSpec, MatVec, Signal, Thresholds


def adopt(layer: nn.Module, weight_quant: object, input_quant: object) -> None:
    """Give a layer with a `weight` its quantizers, and start a weight scale that starts at a statistic."""
    name = type(layer).__name__
    layer.weight_quant = checked(weight_quant, f"{name}: weight_quant")
    layer.input_quant = checked(input_quant, f"{name}: input_quant")
    start: Any = getattr(weight_quant, "start", None)
    if start is not None:
        start(layer.weight)


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
    if signal.affine is not None:
        raise UnknownPrecision(
            f"the input still carries the float map of {signal.affine}, so it is no integer; put a QuantReLU or "
            "QuantIdentity in between, or give the layer an input_quant="
        )
    return signal, ()


def thresholds(signal: Signal, output: Range) -> Thresholds:
    """The comparators that turn a signal into `output`."""
    return Thresholds(channels=signal.channels, vectors=signal.positions, input=signal.range, output=output)


def per_row(wire: Range, rows: int) -> Range:
    """The range of a weight tensor as a MatVec wants it: () or (rows,) or (rows, cols).

    Args:
        wire: of shape (), or (rows or 1, ...) broadcastable to the weight.
        rows: of the matrix, all groups.
    """
    if wire.low.ndim == 0:
        return wire
    flat = [bound.flatten(1) for bound in (wire.low, wire.high, wire.bits)]
    if flat[0].shape[1] == 1:
        flat = [bound.reshape(-1) for bound in flat]
    flat = [bound.expand(rows, *bound.shape[1:]) for bound in flat]
    return Range(*flat)


def with_zero(wire: Range) -> Range:
    """The range of a wire that also carries the zeros of padding.

    Raises:
        UnknownPrecision: a bipolar wire has no code for zero.
    """
    if wire.bipolar:
        raise UnknownPrecision(
            "zero padding of a bipolar (-1, +1) input: zero has no code there; use padding=0 or a ternary input"
        )
    zero = torch.zeros_like(wire.low)
    return replace(wire, low=torch.minimum(wire.low, zero), high=torch.maximum(wire.high, zero))


def product_spec(
    layer: Any,
    signal: Signal,
    *,
    rows: int,
    cols: int,
    groups: int = 1,
    shape: tuple[int, ...],
    before: tuple[Block, ...] = (),
) -> LayerSpec:
    """A matrix-vector unit with the exact range of its accumulator.

    Args:
        layer: with `weight_quant`, `bias`.
        signal: what reaches the multipliers; with its padding zeros.
        rows, cols, groups: geometry, as MatVec.
        shape: of one output sample.
        before: blocks in front.

    Raises:
        UnknownPrecision: float weights.
    """
    if layer.weight_quant is None:
        raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
    weight = per_row(layer.weight_quant.range(), rows * groups)
    element = widest(signal.range)
    acc = dot(element, weight, cols)
    unit = MatVec(rows=rows, cols=cols, groups=groups, vectors=prod(shape[1:]), weight=weight, input=element, acc=acc)
    output = Signal(range=acc, shape=shape, affine=affine_map(layer))
    return LayerSpec(output=output, blocks=(*before, unit))


def affine_map(layer: Any) -> str | None:
    """What stands between the accumulator and the value and is no common scale; None if nothing does."""
    if layer.bias is not None:
        return f"a float bias ({type(layer).__name__})"
    if getattr(layer.weight_quant, "scale", None) is not None and layer.weight_quant.scale.channel_dim is not None:
        return f"one weight scale per channel ({type(layer).__name__})"
    return None


def quantized_operands(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """(input, weight) as they enter the product."""
    x = x if layer.input_quant is None else layer.input_quant(x)
    weight = layer.weight if layer.weight_quant is None else layer.weight_quant(layer.weight)
    return x, weight


def sample_rank(shape: tuple[int, ...], rank: int, owner: str) -> None:
    """Refuse a sample of another rank than the layer's hardware has."""
    if len(shape) != rank:
        raise BadOption(f"{owner}: a sample of shape {shape}; its hardware takes {rank} dimension(s); flatten it first")
