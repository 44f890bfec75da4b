"""Fake quantization as one autograd node: the value, and the exact gradients to x, threshold and width.

Three forms of one meaning. `fake_quant` takes tensors that broadcast (any device, compiled, low precision). On the CPU
`numbers.scalar_quant` reads one threshold and one width as Python numbers, and `rows.row_quant` finds its threshold,
the largest magnitude of each row: a few kernels each, where a composition of torch operations takes dozens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hwcost.errors import BadOption

LN2 = 0.6931471805599453
WIDER = 1 + 2.0**-22  # by two float32s at most
TINY = 2.0**-126  # below the smallest difference of two floats that matter

Grads = tuple[Tensor | None, ...]


class Kind(NamedTuple):
    """Which integers, and which of them the threshold stands for.

    Attributes:
        signed, narrow: the range, as `ranges.integers`.
        power: N is a power of two.
    """

    signed: bool
    narrow: bool
    power: bool

    @property
    def short(self) -> tuple[bool, bool]:
        """Whether the high and the low bound stop one short of N: only then does clipping depend on the width."""
        return self.power or (self.signed and not self.narrow), self.power and self.signed and self.narrow


def levels(bits: Any, kind: Kind) -> tuple[Any, Any, Any, Any]:
    """(low, high, N, dN/dbits) for a width, as a number or a tensor."""
    span = 2.0 ** (bits - 1) if kind.signed else 2.0**bits
    low = -span + (1 if kind.narrow else 0) if kind.signed else 0.0 * span
    reach = span if kind.power or (kind.signed and not kind.narrow) else span - 1
    return low, span - 1, reach, span * LN2


SMALLEST = {True: 2, False: 1}
"""The smallest width, by signed, that has a code beside zero; below it everything is zero: pruned."""


def fake_quant(
    x: Tensor,
    threshold: Tensor,
    bits: Tensor,
    *,
    signed: bool,
    narrow: bool,
    power: bool = False,
    prune: bool = False,
) -> Tensor:
    """The nearest whole multiple of a step inside an integer range.

    Args:
        x: values, any shape; below float32 they are computed in float32.
        threshold: value of the integer N, above 0; broadcastable to x.
        bits: whole width; broadcastable to x.
        signed, narrow: the range, as `ranges.integers`.
        power: N is a power of two, so that a power-of-two threshold gives a power-of-two step.
        prune: widths may be too small for any code but zero (0, and 1 where signed).

    Returns:
        Like x: step times an integer, with step = threshold / N and N = 2^(bits-1) (signed), 2^(bits-1) - 1 (signed
        narrow), 2^bits - 1 (unsigned); with power 2^(bits-1) or 2^bits. Ties round to even. Gradient to x: 1 inside the
        range, bounds included, 0 outside; to threshold and bits: exact, the rounding straight-through. NaN stays NaN.
        What is pruned is 0, with the gradients to x and bits of the smallest width, as if nothing were clipped: a
        weight goes on learning, and its width hears what pruning costs.
    """
    return _TensorQuant.apply(x, threshold, bits, Kind(signed, narrow, power), prune)  # type: ignore[no-any-return, no-untyped-call] # torch leaves apply untyped


def _hoisted(number: Tensor) -> Tensor:
    """The same number, for the compiler: computed once in front of a loop, and not again for every element in it.

    It fuses whatever is computed element by element into the loop that uses it, powers of two and all; a reduction over
    more elements than it unrolls (8) it keeps apart.
    """
    if not torch.compiler.is_compiling() or number.numel() > 1 or number.device.type != "cpu":
        return number
    return number.reshape(-1).expand(16).amax().reshape(number.shape)


class _TensorQuant(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, bits: Tensor, kind: Kind, prune: bool) -> Tensor:
        ctx.kind, ctx.prune = kind, prune
        pruned = bits < SMALLEST[kind.signed] if prune else None
        bits = bits.clamp(min=SMALLEST[kind.signed]) if prune else bits
        low, high, reach, _ = levels(bits, kind)
        step, low, high = (_hoisted(number) for number in (threshold / reach, low, high))
        scaled = x.to(torch.promote_types(x.dtype, threshold.dtype)) / step
        y: Tensor = (torch.minimum(torch.maximum(scaled, low), high).round_() * step).to(x.dtype)
        if pruned is not None:
            y = y.masked_fill(pruned, 0)
        ctx.save_for_backward(x, y, threshold, bits, pruned)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        x, y, threshold, bits, pruned = ctx.saved_tensors
        low, high, reach, slope = levels(bits, ctx.kind)
        step = threshold / reach
        # widened a little, because the gradient at the bounds is 1; compared with x itself, because a division costs
        # more than all the rest
        numbers = (step, low * step * WIDER, high * step * WIDER)
        step, lowest, highest = (_hoisted(number) for number in numbers)
        wide = torch.promote_types(x.dtype, threshold.dtype)
        g, x32, y32 = grads[0].to(wide), x.to(wide), y.to(wide)
        # a mask without booleans, which are slow on the CPU: how far inside, and g where that is not negative
        inside = torch.minimum(highest - x32, x32 - lowest)
        if pruned is not None:
            inside = inside.masked_fill(pruned, 0)
        dx = torch.ops.aten.threshold_backward(g, inside, -TINY)
        d_threshold = d_bits = None
        if ctx.needs_input_grad[1]:
            moved = g * y32 - dx * x32
            moved = moved if pruned is None else moved.masked_fill(pruned, 0)
            d_threshold = (moved.sum_to_size(threshold.shape) / threshold).to(threshold.dtype)
        if ctx.needs_input_grad[2]:
            noise = dx * (x32 - y32)
            short_above, short_below = ctx.kind.short
            if short_above:
                noise = noise + torch.where((x32 > highest) & (inside < 0), g * step, 0)
            if short_below:
                noise = noise - torch.where((x32 < lowest) & (inside < 0), g * step, 0)
            d_bits = (noise.sum_to_size(bits.shape) * slope / reach).to(bits.dtype)
        return dx.to(x.dtype), d_threshold, d_bits, None, None


def once() -> None:
    """Refuse second derivatives: what the backward pass computes is not recorded."""
    if torch.is_grad_enabled():
        raise BadOption("fake quantization has no second derivative; call backward() without create_graph=True")
