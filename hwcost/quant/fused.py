"""Fake quantization as one autograd node: the value, and the exact gradients to x, threshold and width.

Three forms of one meaning. `fake_quant` takes tensors that broadcast (any device, compiled, low precision). On the CPU
`scalar_quant` reads one threshold and one width as Python numbers, and `rows.row_quant` finds its threshold, the
largest magnitude of each row: a few kernels each, where a composition of torch operations takes dozens.
"""

from __future__ import annotations

from functools import cache
from math import ceil, inf, isnan, ulp
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hwcost.errors import BadOption, DivergedTraining

LN2 = 0.6931471805599453
DOUBLES = 2.0**29  # doubles between two neighbouring float32s
WIDER = 1 + 2.0**-22  # by two float32s at most
LARGEST = 127.0  # exponent of the largest threshold that float32 holds
TINY = 2.0**-126  # below the smallest difference of two floats that matter

_hardtanh_backward = torch.ops.aten.hardtanh_backward.default

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


def _power(exponent: float) -> float:
    """2^exponent, as a float32."""
    return _float32(2.0**exponent)


def read_bits(distance: float, base: int, most: int) -> int:
    """One width as a Python number, from its offset, as `ste.whole_bits`."""
    distance = abs(distance)
    if distance < most:
        return min(base + round(distance), most)
    if isnan(distance):
        raise DivergedTraining("a learned bit-width is NaN; lower the learning rate of the widths")
    return most


def d_distance(d_bits: float, distance: float, base: int, most: int) -> float:
    """Gradient of one offset, as `ste.whole_bits`."""
    if abs(distance) > most - base:
        d_bits = max(d_bits, 0.0)
    return -d_bits if distance < 0 else d_bits


def scalar_like(tensor: Tensor, number: float) -> Tensor:
    """The number, in the shape and type of a tensor of one element."""
    return torch.full(tensor.shape, number, dtype=tensor.dtype)


@cache
def _whole_levels(bits: int, kind: Kind) -> tuple[float, float, float, float]:
    """(low, high, N, dN/dbits / N)."""
    low, high, reach, slope = levels(bits, kind)
    return low, high, reach, slope / reach


def _float32(number: float) -> float:
    """The nearest float32, by Veltkamp's splitting: cheaper here than any library call."""
    spread = number * (DOUBLES + 1)
    return spread - (spread - number)


ScalarRule = tuple[bool, bool, float, int, int, Kind]
"""What a quantizer of one threshold and one width does with its numbers: (log, whole, least, base, most, kind).

log: the threshold is stored as its logarithm to base 2, whole: and rounded up. least: the smallest threshold; below it,
its number has no gradient. base, most: of the width, as `ste.whole_bits`. kind: of the integers. A plain tuple, and one
argument, because it is hot: autograd looks at every argument.
"""


def scalar_quant(x: Tensor, value: Tensor, offset: Tensor, rule: ScalarRule) -> Tensor:
    """`fake_quant` for a float32 tensor on the CPU, with one threshold and one width.

    Args:
        x: values, any shape.
        value: the threshold, or its logarithm; one element.
        offset: of the width; one element.
        rule: how they are meant.

    Returns:
        As `fake_quant`; gradients to x, value and offset.
    """
    return _apply_scalar(x, value, offset, rule)  # type: ignore[no-any-return] # torch leaves apply untyped


class _ScalarQuant(torch.autograd.Function):
    """With dx = g inside the range and 0 outside: d threshold = (<g, y> - <dx, x>) / threshold, and
    d bits = N'/N <dx, x - y>, plus N' threshold / N^2 for each element clipped at a bound of N - 1.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, offset: Tensor, rule: ScalarRule) -> Tensor:
        log, whole, least, base, most, kind = rule
        found, distance = value.item(), offset.item()
        if log:
            found = _power(ceil(found) if whole else found) if found < LARGEST else found * inf
        theta = least if found < least else found
        low, high, reach, rate = _whole_levels(read_bits(distance, base, most), kind)
        step = _float32(theta / reach)
        y = torch.div(x, step).clamp_(low, high).round_().mul_(step)
        slope = 0.0 if found < least else LN2 if log else 1 / theta
        ctx.numbers = (step, low, high, reach, rate, slope, value, offset, distance, base, most)
        ctx.save_for_backward(x, y)  # of value and offset no more than shape and type is needed again
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        once()
        x, y = ctx.saved_tensors
        step, low, high, reach, rate, slope, value, offset, distance, base, most = ctx.numbers
        g, x, y, last = _aligned(grads[0], x, y)
        lowest, highest = _float32(low * step), _float32(high * step)
        # hardtanh's gradient is 0 at its bounds, ours is 1: widen both by one float32
        least = lowest - ulp(lowest) * DOUBLES if lowest else -TINY
        dx = _hardtanh_backward(g, x, least, highest + ulp(highest) * DOUBLES)
        _, needs_value, needs_offset, _ = ctx.needs_input_grad
        d_value = d_offset = None
        if needs_value or needs_offset:
            flat_g, flat_dx, flat_x, flat_y = g.view(-1), dx.view(-1), x.view(-1), y.view(-1)
            dx_x = torch.dot(flat_dx, flat_x).item()
            g_y = torch.dot(flat_g, flat_y).item()
            if needs_value:
                d_value = scalar_like(value, (g_y - dx_x) * slope)
            if needs_offset:
                dx_y = torch.dot(flat_dx, flat_y).item()
                d_bits = dx_x - dx_y
                if high != reach:
                    # the clipped elements lie at lowest or highest: two sums tell how much of g lies at each
                    outside = (flat_g.sum() - flat_dx.sum()).item()
                    above = (g_y - dx_y - outside * lowest) / (highest - lowest)
                    d_bits += step * above if low in (0, -reach) else step * (2 * above - outside)
                d_offset = scalar_like(offset, d_distance(d_bits * rate, distance, base, most))
        if last:
            dx = dx.permute(0, 3, 1, 2)
        return dx, d_value, d_offset, None


def engine_apply(function: Any) -> Any:
    """`function.apply` without its look for functorch, a third of the time of the call.

    Functorch refuses these functions either way: they read numbers.
    """
    return super(torch.autograd.Function, function).apply


_apply_scalar = engine_apply(_ScalarQuant)


def _aligned(g: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, bool]:
    """The same elements in one contiguous layout, which flat dot products need; whether channels are now last."""
    if g.is_contiguous() and x.is_contiguous() and y.is_contiguous():
        return g, x, y, False
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if last:
        g, x, y = g.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)
    return g.contiguous(), x.contiguous(), y.contiguous(), last


def once() -> None:
    """Refuse second derivatives: what the backward pass computes is not recorded."""
    if torch.is_grad_enabled():
        raise BadOption("fake quantization has no second derivative; call backward() without create_graph=True")
