"""Weights whose threshold is their own largest magnitude, per row: scale, width and rounding in one autograd node.

In numpy, whose calls cost a third of torch's: most weights are small, and wait for Python rather than for memory.
"""

from __future__ import annotations

from functools import cache
from math import inf
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.errors import DivergedTraining
from hwcost.quant.fused import LN2, SMALLEST, Kind, offset_gradient, once, read_bits

Array = Any
"""A numpy array, or a number that broadcasts like one."""

SPANS = np.exp2(np.arange(-1, 33, dtype=np.float32))
"""2^(bits - 1), by bits."""


class Rows(NamedTuple):
    """How rows are quantized.

    Attributes:
        kind: of the integers; signed.
        per_row: one threshold per row (the first dimension), or one for all.
        least: smallest threshold.
        base, most: of the widths, as `ste.whole_bits`.
    """

    kind: Kind
    per_row: bool
    least: float
    base: int
    most: int


def row_quant(x: Tensor, offset: Tensor, rows: Rows) -> Tensor:
    """Signed `fake_quant` of a float32 tensor on the CPU, with the largest magnitude of each row for threshold.

    Args:
        x: weights.
        offset: of the widths, as `ste.whole_bits`; of one element, or broadcastable to x.
        rows: how; with kind.power the threshold is rounded up to a power of two.

    Returns:
        As `fake_quant` of these thresholds, whose gradient goes to the first largest element of each row.
    """
    return _RowQuant.apply(x, offset, rows)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


@cache
def _starts(rows: int, length: int) -> Array:
    return np.arange(rows) * length


class _Levels(NamedTuple):
    """As `fused.levels`, of signed integers; pruned: where no code but zero is left, or None if nowhere."""

    low: Array
    high: Array
    reach: Array
    rate: Array
    pruned: Array


def _levels(span: Array, kind: Kind, pruned: Array) -> _Levels:
    high = span - 1
    if kind.narrow and not kind.power:
        return _Levels(-high, high, high, span * LN2 / high, pruned)
    return _Levels(-high if kind.narrow else -span, high, span, LN2, pruned)


def _read(offset: Tensor, x: Tensor, rows: Rows, count: int) -> _Levels:
    """Levels of the widths: numbers, or arrays of shape (count, 1) or (count, length)."""
    if offset.numel() == 1:
        one = read_bits(offset, rows.base, rows.most)
        pruned = np.ones((1, 1), bool) if one < SMALLEST[True] else None
        return _levels(np.float32(2.0 ** (max(one, SMALLEST[True]) - 1)), rows.kind, pruned)
    bits = np.minimum(np.rint(np.abs(offset.detach().numpy())) + rows.base, rows.most)
    if np.isnan(bits).any():
        raise DivergedTraining("a learned bit-width is NaN; lower the learning rate of the widths")
    bits = _spread(bits, x, count)
    small = bits < SMALLEST[True]
    whole = np.maximum(bits, SMALLEST[True]).astype(np.intp)
    return _levels(SPANS.take(whole), rows.kind, small if small.any() else None)


def _spread(bits: Array, x: Tensor, count: int) -> Array:
    """Widths as they broadcast against the rows."""
    if bits.size == count and bits.shape[0] == count == x.shape[0]:
        return bits.reshape(count, 1)
    return np.broadcast_to(bits, x.shape).reshape(count, -1)


class _RowQuant(torch.autograd.Function):
    """With dx = g inside the range and 0 outside: d threshold = (<g, y> - <dx, x>) / threshold, and d bits = N'/N times
    dx (x - y), plus step g for each element clipped one short of N. Nothing lies beyond the largest element: with N for
    highest integer, nothing is clipped.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, offset: Tensor, rows: Rows) -> Tensor:
        shape, kind = x.shape, rows.kind
        values = x.detach().numpy().reshape(shape[0] if rows.per_row else 1, -1)
        levels = _read(offset, x, rows, len(values))
        y = np.abs(values)
        place = y.argmax(1)
        place += _starts(*values.shape)
        largest = y.take(place)
        threshold = np.maximum(largest, rows.least)
        if kind.power:
            mantissa, exponent = np.frexp(threshold)
            threshold = np.ldexp(np.float32(1), exponent - (mantissa == 0.5))
        step = threshold[:, None] / levels.reach
        np.divide(values, step, y)
        if kind.power or not kind.narrow:
            np.maximum(y, levels.low, out=y)
            np.minimum(y, levels.high, out=y)
        np.rint(y, y)
        np.multiply(y, step, y)
        if levels.pruned is not None:
            np.multiply(y, ~levels.pruned, y)
        ctx.made = (y, step, largest, place, levels)
        ctx.rows = rows
        ctx.save_for_backward(x, offset)
        result = torch.from_numpy(y)
        return result if result.shape == shape else result.view(shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        once()
        x, offset = ctx.saved_tensors
        rows: Rows = ctx.rows
        y, step, largest, place, levels = ctx.made
        values, g = x.detach().numpy().reshape(y.shape), grads[0].numpy().reshape(y.shape)
        inside, noise = g.copy(), values - y
        np.multiply(noise, g, noise)
        counted = noise if levels.pruned is None else noise * ~levels.pruned
        pull = -np.add.reduce(counted, 1)
        if rows.kind.power or not rows.kind.narrow:
            _clip(inside, noise, pull, values, g, step, levels, rows.kind)
        dx = d_offset = None
        needs_x, needs_offset, _ = ctx.needs_input_grad
        if needs_offset and offset.numel() == 1:
            d_bits = float(np.add.reduce(noise, None) * levels.rate)
            d_offset = offset_gradient(d_bits, offset, rows.base, rows.most)
        elif needs_offset:
            d_offset = _offset_gradients(noise * levels.rate, offset, x, rows)
        if needs_x:
            # where the threshold is at its least, infinity takes its place: nothing moves it. A threshold rounded up
            # to a power of two moves faster than the largest element by the same factor by which it exceeds it
            signed = np.where(largest < rows.least, inf, values.take(place))
            inside.reshape(-1)[place] += pull / signed
            dx = torch.from_numpy(inside).view(x.shape)
        return dx, d_offset, None


def _clip(
    inside: Array, noise: Array, pull: Array, values: Array, g: Array, step: Array, levels: _Levels, kind: Kind
) -> None:
    """Correct what the few elements beyond a bound give: dx, d bits / rate, and threshold times d threshold."""
    scaled = values / step
    beyond = (scaled > levels.high) | (scaled < levels.low)
    if levels.pruned is not None:
        beyond &= ~levels.pruned
    where = np.flatnonzero(beyond)
    if not len(where):
        return
    x, gradient, row = values.take(where), g.take(where), where // values.shape[1]
    own = step.reshape(-1).take(where if step.shape == values.shape else row)
    short = np.where(x > 0, own, -own if kind.power and kind.narrow else np.float32(0))
    inside.reshape(-1)[where] = 0
    noise.reshape(-1)[where] = gradient * short
    pull += np.bincount(row, gradient * x, len(pull)).astype(pull.dtype)


def _offset_gradients(d_bits: Array, offset: Tensor, x: Tensor, rows: Rows) -> Tensor:
    """Of several widths, as `ste.whole_bits`."""
    summed = torch.from_numpy(d_bits).view(x.shape).sum_to_size(offset.shape)
    heard = torch.where(offset.abs() > rows.most - rows.base, summed.clamp(min=0), summed)
    return torch.where(offset < 0, -heard, heard).to(offset.dtype)
