"""Straight-through primitives: the only custom gradients of the project."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

LN2 = 0.6931471805599453


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Ceil(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.ceil(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Trunc(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.trunc(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Magnitude(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, -grads[0], grads[0])


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # NaN is neither below zero nor not: it stays NaN, as in every other quantizer
        return torch.where(x < 0, -1.0, torch.where(x >= 0, 1.0, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, edge: Tensor) -> Tensor:
        outside = x.abs() >= edge
        ctx.save_for_backward(outside)
        return torch.where(outside, x.sgn(), torch.where(x.isnan(), x, 0.0)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (outside,) = ctx.saved_tensors
        return grads[0] * outside, None


class _WholeBits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, offset: Tensor, base: int, most: int) -> Tensor:
        ctx.save_for_backward(offset)
        ctx.room = most - base
        return offset.abs().round_().clamp_(max=most - base).add_(base)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (offset,) = ctx.saved_tensors
        wider = grads[0]
        # beyond its bound a width hears only what narrows it, so that it can come back and cannot run away
        heard = torch.where(offset.abs() > ctx.room, wider.clamp(min=0), wider)
        return torch.where(offset < 0, -heard, heard), None, None


class _CeilLog2(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        mantissa, exponent = torch.frexp(x)
        return torch.where(mantissa == 0.5, exponent - 1, exponent).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = grads[0] / (x * LN2)
        return gradient


class _Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, exact: Tensor, smooth: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def _levels(bits: Any, signed: bool, narrow: bool, power: bool) -> tuple[Any, Any, Any, Any]:
    """(low, high, N, dN/dbits): the integer range, and the integer N that the threshold stands for."""
    span = 2.0 ** (bits - 1) if signed else 2.0**bits
    low = -span + (1 if narrow else 0) if signed else 0.0
    high = span - 1
    reach = span if power or (signed and not narrow) else span - 1
    return low, high, reach, span * LN2


def _flat(x: Tensor) -> Tensor:
    """All elements in memory order; tensors of one layout line up."""
    if x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).reshape(-1)
    return x.reshape(-1)


class _FakeQuant(torch.autograd.Function):
    """y = round(clamp(x / step)) step, with step = threshold / N(bits); gradients in closed form.

    With dx = g inside the range and 0 outside: d threshold = (<g, y> - <dx, x>) / threshold, and
    d bits = N'/N <dx, x - y>, plus N' threshold / N^2 for each element clipped at a bound of N - 1.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, threshold: Tensor, bits: Tensor, signed: bool, narrow: bool, power: bool
    ) -> Tensor:
        ctx.kind = (signed, narrow, power)
        ctx.scalar = _reads_scalars(x, threshold, bits)
        if ctx.scalar:
            low, high, step, _ = _scalar_levels(threshold, bits, ctx.kind)
            y = torch.div(x, step).clamp_(low, high).round_().mul_(step)
        else:
            low, high, reach, _ = _levels(bits, signed, narrow, power)
            wide = x.to(threshold.dtype)
            step = threshold / reach
            y = (_clamp(wide / step, low, high).round_() * step).to(x.dtype)
        ctx.save_for_backward(x, y, threshold, bits)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        x, y, threshold, bits = ctx.saved_tensors
        g = grads[0]
        if ctx.scalar:
            if not (g.stride() == x.stride() == y.stride()):  # flat dot products need one layout
                g, y = (torch.empty_like(x).copy_(tensor) for tensor in (g, y))
            found = _scalar_backward(g, x, y, threshold, bits, ctx.kind, ctx.needs_input_grad)
        else:
            found = _tensor_backward(g, x, y, threshold, bits, ctx.kind, ctx.needs_input_grad)
        return (*found, None, None, None)


Kind = tuple[bool, bool, bool]
Grads = tuple[Tensor | None, Tensor | None, Tensor | None]


def _reads_scalars(x: Tensor, threshold: Tensor, bits: Tensor) -> bool:
    """On the CPU, Python numbers make the fewest and fastest kernels; elsewhere reading one would stall the device."""
    if torch.compiler.is_compiling():
        return False
    return threshold.numel() == 1 and bits.numel() == 1 and x.device.type == "cpu" and x.dtype == torch.float32


def _scalar_levels(threshold: Tensor, bits: Tensor, kind: Kind) -> tuple[float, float, float, float]:
    """(low, high, step, d step / step per bit): Python numbers, the step rounded as float32 tensors round it."""
    low, high, reach, slope = _levels(float(bits), *kind)
    return low, high, float(np.float32(float(threshold)) / np.float32(reach)), slope / reach


def _clamp(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    low_t, high_t = (torch.as_tensor(bound, dtype=x.dtype, device=x.device) for bound in (low, high))
    return torch.minimum(torch.maximum(x, low_t), high_t)


def _scalar_backward(
    g: Tensor, x: Tensor, y: Tensor, threshold: Tensor, bits: Tensor, kind: Kind, needs: tuple[bool, ...]
) -> Grads:
    low, high, step, rate = _scalar_levels(threshold, bits, kind)
    # hardtanh's gradient is 0 at its bounds, ours is 1: widen both by one float
    least = float(np.nextafter(np.float32(low * step), np.float32(-np.inf)))
    most = float(np.nextafter(np.float32(high * step), np.float32(np.inf)))
    dx = torch.ops.aten.hardtanh_backward(g, x, least, most)
    d_threshold = d_bits = None
    if needs[1] or needs[2]:
        flat_dx, flat_y = _flat(dx), _flat(y)
        dx_x = torch.dot(flat_dx, _flat(x))
    if needs[1]:
        d_threshold = ((torch.dot(_flat(g), flat_y) - dx_x) / float(threshold)).reshape(threshold.shape)
        d_threshold = d_threshold.to(threshold.dtype)
    if needs[2]:
        noise = (dx_x - torch.dot(flat_dx, flat_y)) * rate
        short_above, short_below = _short_of_reach(kind)
        if short_above:
            noise = noise + (g * (x >= most)).sum() * (step * rate)
        if short_below:
            noise = noise - (g * (x <= least)).sum() * (step * rate)
        d_bits = noise.reshape(bits.shape).to(bits.dtype)
    return dx, d_threshold, d_bits


def _short_of_reach(kind: Kind) -> tuple[bool, bool]:
    """Whether the high and the low bound stop one short of N: only then does clipping depend on the width."""
    signed, narrow, power = kind
    return power or (signed and not narrow), power and signed and narrow


def _tensor_backward(
    g: Tensor, x: Tensor, y: Tensor, threshold: Tensor, bits: Tensor, kind: Kind, needs: tuple[bool, ...]
) -> Grads:
    low, high, reach, slope = _levels(bits, *kind)
    step = threshold / reach
    wide, result, grad = x.to(step.dtype), y.to(step.dtype), g.to(step.dtype)
    scaled = wide / step
    above, below = scaled > high, scaled < low
    dx = grad.masked_fill(above | below, 0)
    d_threshold = d_bits = None
    if needs[1]:
        d_threshold = ((grad * result - dx * wide) / threshold).sum_to_size(threshold.shape)
    if needs[2]:
        noise = dx * (wide - result)
        short_above, short_below = _short_of_reach(kind)
        if short_above:
            noise = noise + grad * step * above
        if short_below:
            noise = noise - grad * step * below
        d_bits = (noise * (slope / reach)).sum_to_size(bits.shape).to(bits.dtype)
    return dx.to(x.dtype), d_threshold, d_bits


def fake_quant(
    x: Tensor, threshold: Tensor, bits: Tensor, *, signed: bool, narrow: bool, power: bool = False
) -> Tensor:
    """The nearest whole multiple of a step inside an integer range.

    Args:
        x: values, any shape; float32, float64 or bfloat16.
        threshold: value of the integer N, above 0; broadcastable to x.
        bits: whole width; broadcastable to x.
        signed, narrow: the range, as `ranges.integers`.
        power: N is a power of two, so that a power-of-two threshold gives a power-of-two step.

    Returns:
        Like x: step times an integer, with step = threshold / N and N = 2^(bits-1) (signed), 2^(bits-1) - 1 (signed
        narrow), 2^bits - 1 (unsigned); with power 2^(bits-1) or 2^bits. Ties round to even. Gradient to x: 1 inside the
        range, bounds included, 0 outside; to threshold and bits: exact, the rounding straight-through. NaN stays NaN.
    """
    return _FakeQuant.apply(x, threshold, bits, signed, narrow, power)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def integer_levels(bits: Tensor, signed: bool, narrow: bool, power: bool) -> Tensor:
    """N, the integer that the threshold stands for; see `fake_quant`."""
    reach: Tensor = _levels(bits, signed, narrow, power)[2]
    return reach


def round_ste(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes unchanged."""
    return _Round.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def ceil_ste(x: Tensor) -> Tensor:
    """Round up; the gradient passes unchanged."""
    return _Ceil.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def floor_ste(x: Tensor) -> Tensor:
    """Round down; the gradient passes unchanged."""
    return _Floor.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def trunc_ste(x: Tensor) -> Tensor:
    """Round towards zero; the gradient passes unchanged."""
    return _Trunc.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def magnitude(x: Tensor) -> Tensor:
    """|x|, with gradient +1 at zero: a parameter that starts at its floor can still leave it."""
    return _Magnitude.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def sign_ste(x: Tensor) -> Tensor:
    """-1 below zero, +1 elsewhere (at both zeros too); NaN stays NaN; the gradient passes unchanged."""
    return _Sign.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def ternary_ste(x: Tensor, edge: Tensor) -> Tensor:
    """sign(x) where |x| >= edge, else 0; the gradient to x is 1 where the result is not 0; none to edge."""
    return _Ternary.apply(x, edge)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def whole_bits(offset: Tensor, *, base: int, most: int) -> Tensor:
    """min(base + round(|offset|), most): a learned width.

    Args:
        offset: any shape.
        base, most: smallest and largest width, in bits.

    Returns:
        Whole numbers, like offset. Gradient to offset: its sign, +1 at zero; beyond `most` it passes only where it
        narrows.
    """
    return _WholeBits.apply(offset, base, most)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def ceil_log2(x: Tensor) -> Tensor:
    """ceil(log2(x)), exact for every float (read from the exponent); the gradient is that of log2.

    Args:
        x: values above 0, any shape.

    Returns:
        Whole numbers, like x. Gradient: 1 / (x ln 2), as if nothing had been rounded up.
    """
    return _CeilLog2.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def with_gradient_of(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact`, bit for bit, with the gradient of `smooth`, of the same shape."""
    return _Surrogate.apply(exact.detach(), smooth)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped
