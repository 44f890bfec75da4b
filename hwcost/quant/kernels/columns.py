"""Values of one threshold whose channels have widths of their own: threshold, widths and rounding in one autograd node.

In numpy, as `rows`: the steps of all channels are a small array, and every pass over the values is one call.
"""

from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.graph.ste import LN2, Context
from hwcost.quant.kernels.scalar import LARGEST, along_offset, engine_apply, inner, scalar_like
from hwcost.quant.kernels.tensor import SMALLEST, Grads, Kind, diverged, once

Array = Any
"""A numpy array that broadcasts against the values."""


class Columns(NamedTuple):
    """Settings of the quantization of channels.

    Attributes:
        log: whether the threshold is stored as its logarithm to base 2; with kind.power it is rounded up.
        least: the smallest stored number, as `ste.held`.
        base, most: of the widths, as `ste.whole_bits`.
        kind: of the integers.
    """

    log: bool
    least: float
    base: int
    most: int
    kind: Kind


def column_quant(x: Tensor, value: Tensor, offset: Tensor, columns: Columns) -> Tensor:
    """`fake_quant` of a float32 tensor on the CPU, with one threshold and widths that broadcast, 0 bits among them.

    Args:
        x: values, any shape.
        value: the threshold, or its logarithm; one element.
        offset: of the widths; broadcastable to x.
        columns: how.

    Returns:
        As `fake_quant`, which prunes where a width is too small for any code but zero; gradients to x,
        value and offset.

    Raises:
        DivergedTraining: a width is NaN.
        BadOption: a second derivative.
    """
    if not torch.is_grad_enabled() and torch._C._get_tracing_state() is None:
        return _ColumnQuant.forward(None, x, value, offset, columns)
    return _apply_columns(x, value, offset, columns)


class _Levels(NamedTuple):
    """Levels of every width: step, lowest and highest code, N'/N, and 1 where there are codes, 0 where pruned."""

    step: Array
    low: Array
    high: Array
    rate: Array
    kept: Array


def _levels(offset: Tensor, theta: float, columns: Columns) -> _Levels:
    kind = columns.kind
    bits = np.minimum(np.rint(np.abs(offset.detach().numpy())) + columns.base, columns.most)
    if np.isnan(bits).any():
        raise diverged()
    least = SMALLEST[kind.signed]
    kept = (bits >= least).astype(np.float32)
    span = np.exp2(np.maximum(bits, least) - kind.signed).astype(np.float32)
    high = span - 1
    low = (-high if kind.narrow else -span) if kind.signed else np.zeros_like(span)
    reach = span if kind.power or (kind.signed and not kind.narrow) else high
    return _Levels(np.float32(theta) / reach, low, high, LN2 * span / reach, kept)


class _ColumnQuant(torch.autograd.Function):
    """Autograd node of values, threshold and widths; the sums of `_ScalarQuant`, of each channel."""

    @staticmethod
    def forward(ctx: Context | None, x: Tensor, value: Tensor, offset: Tensor, columns: Columns) -> Tensor:
        found = value.item()
        theta = max(found, columns.least) if found == found else found
        if columns.log:
            power = ceil(theta) if columns.kind.power and theta < LARGEST else theta
            theta = 2.0**power if theta < LARGEST else theta * inf
        levels = _levels(offset, theta, columns)
        scaled = x.detach().contiguous().numpy() / levels.step
        y = np.maximum(scaled, levels.low)
        np.minimum(y, levels.high, out=y)
        np.rint(y, out=y)
        y *= levels.step * levels.kept
        result = torch.from_numpy(y)
        if ctx is not None:
            ctx.made = (scaled, levels, theta, found < columns.least, columns)
            ctx.save_for_backward(x, result, value, offset)
        return result

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Grads:
        once()
        x, y, value, offset = ctx.saved_tensors
        scaled, (step, low, high, rate, kept), theta, below, columns = ctx.made
        needs_value, needs_offset = ctx.needs_input_grad[1:3]
        g = grads[0].contiguous().numpy()
        values, result = x.detach().contiguous().numpy(), y.detach().numpy()
        pruned = None if kept.all() else kept == 0
        above, under = scaled > high, scaled < low
        if pruned is not None:
            above &= ~pruned
            under &= ~pruned
        dx = g * ~(above | under)
        d_value = d_offset = None
        if needs_value:
            moved = inner(g, result) - inner(dx if pruned is None else dx * kept, values)
            moved *= LN2 if columns.log else 1 / theta
            d_value = scalar_like(value, min(moved, 0.0) if below else moved)
        if needs_offset:
            noise = values - result
            noise *= dx
            short_above, short_below = columns.kind.short
            d_bits = _summed(noise, offset)
            if short_above:
                d_bits = d_bits + _summed(g * above * step, offset)
            if short_below:
                d_bits = d_bits - _summed(g * under * step, offset)
            d_offset = along_offset(d_bits * rate, offset, columns.most - columns.base)
        return torch.from_numpy(dx), d_value, d_offset, None


def _summed(values: Array, offset: Tensor) -> Array:
    """Sum over what shares a width, in the shape of the widths."""
    ahead = values.ndim - offset.ndim
    spread = tuple(range(ahead)) + tuple(ahead + dim for dim, size in enumerate(offset.shape) if size == 1)
    return np.add.reduce(values, spread, keepdims=True).reshape(offset.shape)


_apply_columns = engine_apply(_ColumnQuant)
