"""Straight-through primitives: the only custom gradients of the project."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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


class _Magnitude(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, -grads[0], grads[0])


class _CeilLog2(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        mantissa, exponent = torch.frexp(x)
        return torch.where(mantissa == 0.5, exponent - 1, exponent).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = grads[0] / (x * 0.6931471805599453)
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


def magnitude(x: Tensor) -> Tensor:
    """|x|, with gradient +1 at zero: a parameter that starts at its floor can still leave it."""
    return _Magnitude.apply(x)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


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
