"""Straight-through primitives: rounding and clipping with gradients that still train what is rounded or clipped.

Every primitive keeps its forward pass and its context apart, so that `torch.func` (grad, vmap, jvp) and the compiler
transform it like any operation of torch.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

LN2 = 0.6931471805599453

Context: TypeAlias = Any
"""Context of a function of torch.autograd, which takes any attribute."""
Inputs: TypeAlias = tuple[Any, ...]
"""Arguments of such a function."""


def transformed() -> bool:
    """Whether torch looks at operations instead of numbers: inside `torch.compile`, or inside `torch.func`."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


class Primitive(torch.autograd.Function):
    """A function with gradients of its own that torch can transform; `push(ctx, *tangents)` derives it forwards."""

    generate_vmap_rule = True

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        """Tangent of the result."""
        raise NotImplementedError

    @classmethod
    def on(cls, *args: object) -> Tensor:
        """The function of these arguments; outside of a transform without `apply`'s look at its signature."""
        apply: Callable[..., Tensor]
        if torch.compiler.is_compiling():
            apply = cls.apply
        elif torch._C._are_functorch_transforms_active():
            apply = _with_jvp(cls).apply
        else:
            apply = super(torch.autograd.Function, cls).apply  # type: ignore[misc] # of C++
        return apply(*args)


@cache
def _with_jvp(kind: type[Primitive]) -> type[Primitive]:
    """The function with the name of its forward derivative that torch.func knows, and the compiler refuses."""
    return type(kind.__name__, (kind,), {"jvp": staticmethod(kind.push)})


class _Straight(Primitive):
    """The gradient passes unchanged."""

    @staticmethod
    def setup_context(ctx: Context, inputs: Inputs, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        return grads[0]

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        return tangents[0].clone()


class _Round(_Straight):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.round(x)


class _Ceil(_Straight):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.ceil(x)


class _Floor(_Straight):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.floor(x)


class _Trunc(_Straight):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.trunc(x)


class _WholeBits(Primitive):
    @staticmethod
    def forward(offset: Tensor, base: int, most: int) -> Tensor:
        return offset.abs().round_().clamp_(max=most - base).add_(base)

    @staticmethod
    def setup_context(ctx: Context, inputs: Inputs, output: Tensor) -> None:
        offset, base, most = inputs
        ctx.room = most - base
        ctx.save_for_backward(offset)
        ctx.save_for_forward(offset)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, None, None]:
        (offset,) = ctx.saved_tensors
        wider = grads[0]
        # beyond its bound a width receives only what narrows it, so that it can come back and cannot run away
        heard = torch.where(offset.abs() > ctx.room, wider.clamp(min=0), wider)
        return torch.where(offset < 0, -heard, heard), None, None

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        (offset,) = ctx.saved_tensors
        moved = torch.where(offset.abs() > ctx.room, 0.0, tangents[0])
        return torch.where(offset < 0, -moved, moved)


class _Held(Primitive):
    @staticmethod
    def forward(x: Tensor, least: float, most: float) -> Tensor:
        return x.clamp(least, most)

    @staticmethod
    def setup_context(ctx: Context, inputs: Inputs, output: Tensor) -> None:
        x, ctx.least, ctx.most = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        g = grads[0]
        rising = torch.where(x < ctx.least, g.clamp(max=0), g)
        return torch.where(x > ctx.most, rising.clamp(min=0), rising), None, None

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where((x < ctx.least) | (x > ctx.most), 0.0, tangents[0])


class _CeilLog2(Primitive):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        mantissa, exponent = torch.frexp(x)
        return torch.where(mantissa == 0.5, exponent - 1, exponent).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = grads[0] / (x * LN2)
        return gradient

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        moved: Tensor = tangents[0] / (x * LN2)
        return moved


class _Surrogate(Primitive):
    @staticmethod
    def forward(exact: Tensor, smooth: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def setup_context(ctx: Context, inputs: Inputs, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]

    @staticmethod
    def push(ctx: Context, *tangents: Tensor) -> Tensor:
        return tangents[1].clone()


def round_ste(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes unchanged."""
    return _Round.on(x)


def ceil_ste(x: Tensor) -> Tensor:
    """Round up; the gradient passes unchanged."""
    return _Ceil.on(x)


def floor_ste(x: Tensor) -> Tensor:
    """Round down; the gradient passes unchanged."""
    return _Floor.on(x)


def trunc_ste(x: Tensor) -> Tensor:
    """Round towards zero; the gradient passes unchanged."""
    return _Trunc.on(x)


def magnitude(x: Tensor) -> Tensor:
    """|x|, with gradient +1 at zero, so that a parameter that starts at its floor can leave it."""
    return torch.where(x < 0, -x, x)


def sign_ste(x: Tensor) -> Tensor:
    """-1 below zero, +1 elsewhere (at both zeros too); NaN stays NaN; the gradient passes unchanged."""
    # NaN is neither below zero nor not: it stays NaN, as in every other quantizer
    sign = torch.where(x < 0, -1.0, torch.where(x >= 0, 1.0, x)).to(x.dtype)
    return with_gradient_of(sign, x)


def ternary_ste(x: Tensor, edge: Tensor) -> Tensor:
    """sign(x) where |x| >= edge, else 0; the gradient to x is 1 where the result is not 0; none to edge."""
    outside = x.abs() >= edge
    sign = torch.where(outside, x.sgn(), torch.where(x.isnan(), x, 0.0)).to(x.dtype)
    return with_gradient_of(sign, torch.where(outside, x, 0.0))


def whole_bits(offset: Tensor, *, base: int, most: int) -> Tensor:
    """min(base + round(|offset|), most): a learned width.

    Args:
        offset: any shape.
        base, most: smallest and largest width, in bits.

    Returns:
        Whole numbers, like offset. Gradient to offset: its sign, +1 at zero; beyond `most` it passes only where it
        narrows.
    """
    return _WholeBits.on(offset, base, most)


def held(x: Tensor, *, least: float = -torch.inf, most: float = torch.inf) -> Tensor:
    """x, clipped at its bounds, with a gradient that leads back from beyond them.

    Args:
        x: a learned number, any shape.
        least, most: bounds, in the unit of x.

    Returns:
        Like x. Gradient to x: 1 inside; beyond a bound it passes only where descent moves x back inside, so that a
        number that overshoots neither stays there for ever nor runs away.
    """
    return _Held.on(x, least, most)


def ceil_log2(x: Tensor) -> Tensor:
    """ceil(log2(x)), exact for every float (read from the exponent); the gradient is that of log2.

    Args:
        x: values above 0, any shape.

    Returns:
        Whole numbers, like x. Gradient: 1 / (x ln 2), as if nothing had been rounded up.
    """
    return _CeilLog2.on(x)


def with_gradient_of(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact`, bit for bit, with the gradient of `smooth`, of the same shape."""
    return _Surrogate.on(exact.detach(), smooth)
