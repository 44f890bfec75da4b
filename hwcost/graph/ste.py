"""Straight-through primitives: the only custom gradients of the project."""

from __future__ import annotations

from typing import Any

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
