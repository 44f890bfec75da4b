"""Fake quantization of tensors that broadcast: any device and precision, compiled, inside torch.func.

This form is the meaning of the other two, which read numbers outside of autograd: `scalar.scalar_quant` one threshold
and one width, `rows.row_quant` the largest magnitude of each row.
"""

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from hwcost.errors import BadOption, DivergedTraining
from hwcost.graph.ste import LN2, Context, Inputs, Primitive, transformed

WIDER = 1 + 2.0**-22  # by two float32s at most
TINY = 2.0**-126  # below the smallest difference of two floats that matter

Number = TypeVar("Number", float, Tensor)
Grads = tuple[Tensor | None, ...]


class Kind(NamedTuple):
    """Kind of integers, and which of them the threshold stands for.

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


def levels(bits: Number, kind: Kind) -> tuple[Number, Number, Number, Number]:
    """(low, high, N, dN/dbits) for a width, as a number or a tensor."""
    span = 2.0 ** (bits - 1) if kind.signed else 2.0**bits
    low = -span + (1 if kind.narrow else 0) if kind.signed else 0.0 * span
    reach = span if kind.power or (kind.signed and not kind.narrow) else span - 1
    return low, span - 1, reach, span * LN2


SMALLEST = {True: 2, False: 1}
"""The smallest width, by signed, that has a code besides zero; below it everything is zero: pruned."""


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
        weight keeps learning, and its width still receives the gradient of pruning.

    Raises:
        BadOption: a second derivative, outside of torch.func.
    """
    return _TensorQuant.on(x, threshold, bits, Kind(signed, narrow, power), prune)


def _hoisted(number: Tensor) -> Tensor:
    """The same number, for the compiler: computed once in front of a loop instead of for every element in it.

    It fuses whatever is computed element by element into the loop that uses it, powers of two and all; a reduction over
    more elements than it unrolls (8) it keeps apart.
    """
    if not torch.compiler.is_compiling() or number.numel() > 1 or number.device.type != "cpu":
        return number
    return number.reshape(-1).expand(16).amax().reshape(number.shape)


class _TensorQuant(Primitive):
    @staticmethod
    def forward(x: Tensor, threshold: Tensor, bits: Tensor, kind: Kind, prune: bool) -> Tensor:
        low, high, reach, _ = levels(bits.clamp(min=SMALLEST[kind.signed]) if prune else bits, kind)
        step, low, high = (_hoisted(number) for number in (threshold / reach, low, high))
        scaled = x.to(torch.promote_types(x.dtype, threshold.dtype)) / step
        y: Tensor = (torch.minimum(torch.maximum(scaled, low), high).round_() * step).to(x.dtype)
        return y.masked_fill(bits < SMALLEST[kind.signed], 0) if prune else y

    @staticmethod
    def setup_context(ctx: Context, inputs: Inputs, output: Tensor) -> None:
        x, threshold, bits, ctx.kind, ctx.prune = inputs
        ctx.save_for_backward(x, output, threshold, bits)
        ctx.save_for_forward(x, output, threshold, bits)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Grads:
        once()
        saved = x, _, threshold, bits = ctx.saved_tensors  # read once: gradient checkpointing allows no more
        _, needs_threshold, needs_bits, *_ = ctx.needs_input_grad
        dx, moved, noise, rate = _slopes(ctx, saved, grads[0], needs_threshold, needs_bits)
        d_threshold = d_bits = None
        if moved is not None:
            d_threshold = (moved.sum_to_size(threshold.shape) / threshold).to(threshold.dtype)
        if noise is not None:
            d_bits = (noise.sum_to_size(bits.shape) * rate).to(bits.dtype)
        return dx.to(x.dtype), d_threshold, d_bits, None, None

    @staticmethod
    def push(ctx: Context, *tangents: Tensor | None) -> Tensor:
        saved = x, _, threshold, _ = ctx.saved_tensors
        of_x, of_threshold, of_bits, *_ = tangents
        dx, moved, noise, rate = _slopes(ctx, saved, torch.ones_like(x), of_threshold is not None, of_bits is not None)
        total = torch.zeros_like(dx) if of_x is None else dx * of_x
        if moved is not None and of_threshold is not None:
            total = total + moved / threshold * of_threshold
        if noise is not None and of_bits is not None:
            total = total + noise * rate * of_bits
        return total.to(x.dtype)


def _slopes(
    ctx: Context, saved: tuple[Tensor, ...], g: Tensor, of_threshold: bool, of_bits: bool
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
    """g times the slope of every element of y: by x, by log(threshold), and by the width over a rate; and that rate."""
    x, y, threshold, bits = saved
    kind, pruned = ctx.kind, bits < SMALLEST[ctx.kind.signed] if ctx.prune else None
    low, high, reach, slope = levels(bits.clamp(min=SMALLEST[kind.signed]) if ctx.prune else bits, kind)
    step = threshold / reach
    # widened a little, because the gradient at the bounds is 1; compared with x itself, because a division costs
    # more than all the rest
    step, lowest, highest = (_hoisted(number) for number in (step, low * step * WIDER, high * step * WIDER))
    wide = torch.promote_types(x.dtype, threshold.dtype)
    g, x32, y32 = g.to(wide), x.to(wide), y.to(wide)
    if y.dtype != wide:  # the nearest low-precision number was kept: back onto the grid
        y32 = torch.round(y32 / step) * step
    # a mask without booleans, which are slow on the CPU: how far inside, and g where that is not negative
    inside = torch.minimum(highest - x32, x32 - lowest)
    if pruned is not None:
        inside = inside.masked_fill(pruned, 0)
    dx = torch.ops.aten.threshold_backward(g, inside, -TINY)
    moved = noise = None
    if of_threshold:
        moved = g * y32 - dx * x32
        moved = moved if pruned is None else moved.masked_fill(pruned, 0)
    if of_bits:
        noise = dx * (x32 - y32)
        short_above, short_below = kind.short
        if short_above:
            noise = noise + torch.where((x32 > highest) & (inside < 0), g * step, 0)
        if short_below:
            noise = noise - torch.where((x32 < lowest) & (inside < 0), g * step, 0)
    return dx, moved, noise, slope / reach


def once() -> None:
    """Refuse second derivatives: what the backward pass computes is not recorded.

    Inside torch.func, which records every backward pass, the formulas of the first derivative are differentiated.
    """
    if torch.is_grad_enabled() and not transformed():
        raise BadOption("fake quantization has no second derivative; call backward() without create_graph=True")


def diverged() -> DivergedTraining:
    """The error of a learned width that is no number any more."""
    return DivergedTraining("a learned bit-width is NaN; lower the learning rate of the widths")
