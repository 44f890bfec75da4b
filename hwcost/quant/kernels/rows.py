"""Weights whose threshold is their own largest magnitude, per row: scale, width and rounding in one autograd node.

In numpy, whose calls cost a third of torch's: most weights are small, and wait for Python rather than for memory.
"""

from functools import cache
from math import inf
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.graph.ste import LN2, Context
from hwcost.quant.kernels.scalar import along_offset, d_distance, engine_apply, read_bits, scalar_like
from hwcost.quant.kernels.tensor import SMALLEST, Kind, diverged, once

Array = Any
"""A numpy array, or a number that broadcasts like one."""

SPANS = np.exp2(np.arange(-1, 33, dtype=np.float32))
"""2^(bits - 1), by bits."""


class Rows(NamedTuple):
    """Settings of the quantization of rows.

    Attributes:
        per_row: one threshold per row (the first dimension), or one for all.
        least: smallest threshold.
        base, most: of the widths, as `ste.whole_bits`.
        kind: of the integers; signed.
    """

    per_row: bool
    least: float
    base: int
    most: int
    kind: Kind


def row_quant(x: Tensor, offset: Tensor, rows: Rows) -> Tensor:
    """Signed `fake_quant` of a float32 tensor on the CPU, with the largest magnitude of each row for threshold.

    Args:
        x: weights.
        offset: of the widths, as `ste.whole_bits`; of one element, or broadcastable to x.
        rows: how; with kind.power the threshold is rounded up to a power of two.

    Returns:
        As `fake_quant` of these thresholds, whose gradient goes to the first largest element of each row.

    Raises:
        DivergedTraining: a width is NaN.
        BadOption: a second derivative.
    """
    # without the node of autograd, a third of the time for a small layer; a trace of TorchScript is the same in both
    if not torch.is_grad_enabled() and torch._C._get_tracing_state() is None:
        return _RowQuant.forward(None, x, offset, rows)
    return _apply_rows(x, offset, rows)


@cache
def _starts(rows: int, length: int) -> Array:
    return np.arange(rows) * length


class _Levels(NamedTuple):
    """Result of `tensor.levels` for signed integers; pruned: where no code but zero is left, or None if nowhere."""

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


@cache
def _one(bits: int, kind: Kind) -> _Levels:
    """Levels of one width, as Python numbers: arithmetic on them costs a tenth of numpy's."""
    pruned = np.ones((1, 1), bool) if bits < SMALLEST[True] else None
    return _levels(2.0 ** (max(bits, SMALLEST[True]) - 1), kind, pruned)


def _read(offset: Tensor, x: Tensor, rows: Rows, count: int) -> _Levels:
    """Levels of the widths: numbers, or arrays of shape (count, 1) or (count, length)."""
    if offset.numel() == 1:
        return _one(read_bits(offset.item(), rows.base, rows.most), rows.kind)
    bits = np.minimum(np.rint(np.abs(offset.detach().numpy())) + rows.base, rows.most)
    if np.isnan(bits).any():
        raise diverged()
    bits = _spread(bits, x, count)
    small = bits < SMALLEST[True]
    whole = np.maximum(bits, SMALLEST[True]).astype(np.intp)
    return _levels(SPANS.take(whole), rows.kind, small if small.any() else None)


def _spread(bits: Array, x: Tensor, count: int) -> Array:
    """Widths as they broadcast against the rows."""
    if bits.ndim == x.ndim and bits.size == count and bits.shape[0] == count == x.shape[0]:
        return bits.reshape(count, 1)
    return np.broadcast_to(bits, x.shape).reshape(count, -1)


class _RowQuant(torch.autograd.Function):
    """Autograd node of weights and widths.

    With dx = g inside the range and 0 outside: d threshold = (<g, y> - <dx, x>) / threshold, and d bits = N'/N times
    dx (x - y), plus step g for each element clipped one short of N. Nothing lies beyond the largest element: with N for
    highest integer, nothing is clipped.
    """

    @staticmethod
    def forward(ctx: Context | None, x: Tensor, offset: Tensor, rows: Rows) -> Tensor:
        shape, kind = x.shape, rows.kind
        values = np.ascontiguousarray(x.detach().numpy().reshape(shape[0] if rows.per_row else 1, -1))
        levels = _read(offset, x, rows, len(values))
        y = np.abs(values)
        place = y.argmax(1)
        place += _starts(*values.shape)
        largest = values.take(place)
        threshold = np.abs(largest)
        if not np.minimum.reduce(threshold) >= rows.least:  # NaN counts as small
            # infinity takes the place of what is smaller: nothing moves its threshold
            largest[threshold < rows.least] = inf
            threshold = np.maximum(threshold, rows.least)
        step = threshold
        if kind.power:
            mantissa, exponent = np.frexp(threshold)
            step = np.ldexp(np.float32(1), exponent - (mantissa == 0.5))
        step = step[:, None] / levels.reach
        np.divide(values, step, out=y)
        if kind.power or not kind.narrow:
            np.maximum(y, levels.low, out=y)
            np.minimum(y, levels.high, out=y)
        np.rint(y, out=y)
        np.multiply(y, step, out=y)
        if levels.pruned is not None:
            np.multiply(y, ~levels.pruned, out=y)
        result = torch.from_numpy(y.reshape(shape))
        if ctx is not None:
            ctx.made = (values, y, step, largest, place, levels, rows)
            ctx.save_for_backward(x, result, offset)  # so that torch refuses any that was changed in place
        return result

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        once()
        x, _, offset = ctx.saved_tensors
        values, y, step, largest, place, levels, rows = ctx.made
        g = grads[0].numpy().reshape(y.shape)
        needs_x, needs_offset, _ = ctx.needs_input_grad
        inside, noise = g.copy(), values - y
        if rows.kind.narrow and not rows.kind.power and levels.pruned is None and offset.numel() == 1:
            pull = np.vecdot(noise, g)
            d_bits = pull
        else:
            noise *= g
            pull = np.add.reduce(noise if levels.pruned is None else noise * ~levels.pruned, 1)
            if rows.kind.power or not rows.kind.narrow:
                _clip(inside, noise, pull, values, g, step, levels, rows.kind)
            d_bits = noise
        d_offset = _d_offset(d_bits, levels.rate, offset, x, rows) if needs_offset else None
        if not needs_x:
            return None, d_offset, None
        # a threshold rounded up to a power of two moves faster than the largest element by the same factor by which it
        # exceeds it
        pull /= largest
        inside.reshape(-1)[place] -= pull
        return torch.from_numpy(inside.reshape(x.shape)), d_offset, None


_apply_rows = engine_apply(_RowQuant)


def _clip(
    inside: Array, noise: Array, pull: Array, values: Array, g: Array, step: Array, levels: _Levels, kind: Kind
) -> None:
    """Correct what the few elements beyond a bound give: dx, d bits / rate, and minus threshold times d threshold."""
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
    pull -= np.bincount(row, gradient * x, len(pull)).astype(pull.dtype)


def _d_offset(d_bits: Array, rate: Array, offset: Tensor, x: Tensor, rows: Rows) -> Tensor:
    """Gradient of the widths, as `ste.whole_bits`, from that of bits over rate: of every weight, or of every row."""
    if offset.numel() == 1:
        one = float(np.add.reduce(d_bits, None)) * rate
        return scalar_like(offset, d_distance(one, offset.item(), rows.base, rows.most))
    wider = d_bits * rate
    if offset.shape == x.shape:
        wider = wider.reshape(x.shape)
    else:
        wider = torch.from_numpy(wider).view(x.shape).sum_to_size(offset.shape).numpy()
    return along_offset(wider, offset, rows.most - rows.base)
