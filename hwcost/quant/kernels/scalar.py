"""Fake quantization by one threshold and one width, read as Python numbers; what is hot here counts every call."""

from collections.abc import Callable
from functools import cache
from math import ceil, inf, isnan, ulp

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hwcost.graph.ste import LN2, Context
from hwcost.quant.kernels.tensor import TINY, Grads, Kind, diverged, levels, once

DOUBLES = 2.0**29  # doubles between two neighbouring float32s
SMALL, ROW = 2**16, 2**12  # elements whose products are added in float32
LARGEST = 128.0  # exponent of what float32 no longer holds

Floats = npt.NDArray[np.float32]

_hardtanh_backward = torch.ops.aten.hardtanh_backward.default


def _power(exponent: float) -> float:
    """2^exponent, as a float32."""
    return _float32(2.0**exponent)


def read_bits(distance: float, base: int, most: int) -> int:
    """One width as a Python number, from its offset, as `ste.whole_bits`."""
    distance = abs(distance)
    if distance < most:
        return min(base + round(distance), most)
    if isnan(distance):
        raise diverged()
    return most


def d_distance(d_bits: float, distance: float, base: int, most: int) -> float:
    """Gradient of one offset, as `ste.whole_bits`."""
    if abs(distance) > most - base:
        d_bits = max(d_bits, 0.0)
    return -d_bits if distance < 0 else d_bits


def along_offset(d_bits: Floats, offset: Tensor, room: int) -> Tensor:
    """Gradient of many offsets, as `ste.whole_bits`; room: bits between the smallest and the largest width."""
    place = offset.detach().numpy()
    heard = np.where(np.abs(place) > room, np.maximum(d_bits, 0), d_bits)
    return torch.from_numpy(np.where(place < 0, -heard, heard).astype(np.float32, copy=False))


def scalar_like(tensor: Tensor, number: float) -> Tensor:
    """The number, in the shape and type of a tensor of one element."""
    return torch.full_like(tensor, number)


@cache
def _whole_levels(bits: int, kind: Kind) -> tuple[float, float, float, float]:
    """(low, high, N, dN/dbits / N)."""
    low, high, reach, slope = levels(bits, kind)
    return low, high, reach, slope / reach


def _float32(number: float) -> float:
    """The nearest float32, by Veltkamp's splitting: cheaper here than any library call."""
    spread = number * (DOUBLES + 1)
    return spread - (spread - number)


ScalarRule = tuple[bool, float, int, int, Kind]
"""Settings of a quantizer of one threshold and one width: (log, least, base, most, kind).

log: the threshold is stored as its logarithm to base 2; with kind.power it is rounded up. least: the smallest stored
number, as `ste.held`. base, most: of the width, as `ste.whole_bits`. kind: of the integers. A plain tuple, and one
argument, because it is hot: autograd looks at every argument.
"""


def scalar_quant(x: Tensor, value: Tensor, offset: Tensor, rule: ScalarRule) -> Tensor:
    """`fake_quant` of a float32 tensor on the CPU, with one threshold and one width.

    Args:
        x: values, any shape.
        value: the threshold, or its logarithm; one element.
        offset: of the width; one element.
        rule: settings of the quantizer.

    Returns:
        As `fake_quant`; gradients to x, value and offset.

    Raises:
        DivergedTraining: the width is NaN.
        BadOption: a second derivative.
    """
    # without the node of autograd, a third of the time for a small layer; a trace of TorchScript is the same in both
    if not torch.is_grad_enabled() and torch._C._get_tracing_state() is None:
        return _ScalarQuant.forward(None, x, value, offset, rule)
    return _apply_scalar(x, value, offset, rule)


class _ScalarQuant(torch.autograd.Function):
    """Autograd node of values, threshold and width.

    With dx = g inside the range and 0 outside: d threshold = (<g, y> - <dx, x>) / threshold, and
    d bits = N'/N <dx, x - y>, plus N' threshold / N^2 for each element clipped at a bound of N - 1.
    """

    @staticmethod
    def forward(ctx: Context | None, x: Tensor, value: Tensor, offset: Tensor, rule: ScalarRule) -> Tensor:
        log, least, base, most, _ = rule
        found, distance = value.item(), offset.item()
        below = found < least
        step, theta, low, high, reach, rate = _grid(found, distance, rule)
        y = torch.div(x, step).clamp_(low, high).round_().mul_(step)
        if ctx is not None:
            ctx.numbers = (step, low, high, reach, rate, LN2 if log else 1 / theta, below, distance, base, most)
            ctx.save_for_backward(x, y, value, offset)
        return y

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Grads:
        once()
        x, y, value, offset = ctx.saved_tensors
        step, low, high, reach, rate, slope, below, distance, base, most = ctx.numbers
        g, x, y, last = _aligned(grads[0], x, y)
        lowest, highest = _float32(low * step), _float32(high * step)
        # hardtanh's gradient is 0 at its bounds, ours is 1: widen both by one float32
        least = lowest - ulp(lowest) * DOUBLES if lowest else -TINY
        dx = _hardtanh_backward(g, x, least, highest + ulp(highest) * DOUBLES)
        _, needs_value, needs_offset, _ = ctx.needs_input_grad
        d_value = d_offset = None
        if needs_value or needs_offset:
            flat_g, flat_dx, flat_x, flat_y = g.numpy(), dx.numpy(), x.detach().numpy(), y.detach().numpy()
            dx_x, g_y = inner(flat_dx, flat_x), inner(flat_g, flat_y)
            if needs_value:
                moved = (g_y - dx_x) * slope
                d_value = scalar_like(value, min(moved, 0.0) if below else moved)
            if needs_offset:
                dx_y = inner(flat_dx, flat_y)
                d_bits = dx_x - dx_y
                if high != reach:
                    # the clipped elements lie at lowest or highest: two sums tell how much of g lies at each
                    outside = float(flat_g.sum() - flat_dx.sum())
                    above = (g_y - dx_y - outside * lowest) / (highest - lowest)
                    d_bits += step * above if low in (0, -reach) else step * (2 * above - outside)
                d_offset = scalar_like(offset, d_distance(d_bits * rate, distance, base, most))
        if last:
            dx = dx.permute(0, 3, 1, 2)
        return dx, d_value, d_offset, None


def _grid(found: float, distance: float, rule: ScalarRule) -> tuple[float, float, float, float, float, float]:
    """(step, threshold, low, high, N, dN/dbits / N) of a stored threshold and an offset."""
    log, least, base, most, kind = rule
    theta = max(found, least)
    if log:
        theta = _power(ceil(theta) if kind.power else theta) if theta < LARGEST else theta * inf
    low, high, reach, rate = _whole_levels(read_bits(distance, base, most), kind)
    return _float32(theta / reach), theta, low, high, reach, rate


def scalar_grid(value: Tensor, offset: Tensor, rule: ScalarRule) -> tuple[float, float, float]:
    """(step, lowest code, highest code) of a quantizer as `scalar_quant` reads it."""
    step, _, low, high, *_ = _grid(value.item(), offset.item(), rule)
    return step, low, high


def engine_apply(function: type[torch.autograd.Function]) -> Callable[..., Tensor]:
    """`function.apply` without its look for torch.func, a third of the time of the call.

    `readable` keeps tensors of torch.func away from these functions, which read numbers.
    """
    apply: Callable[..., Tensor] = super(torch.autograd.Function, function).apply  # type: ignore[misc] # of C++
    return apply


_apply_scalar = engine_apply(_ScalarQuant)


def inner(a: Floats, b: Floats) -> float:
    """<a, b> of contiguous arrays.

    In numpy, whose calls cost half of torch's. Differences of such sums are gradients: of many elements, the sums of
    rows are added in float64.
    """
    if a.size <= SMALL:
        return float(np.vdot(a, b))
    a, b, even = a.reshape(-1), b.reshape(-1), a.size // ROW * ROW
    rows = np.vecdot(a[:even].reshape(-1, ROW), b[:even].reshape(-1, ROW))
    return float(rows.sum(dtype=np.float64)) + float(np.vdot(a[even:], b[even:]))


def _aligned(g: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, bool]:
    """The same elements in one contiguous layout, which flat dot products need; whether channels are now last."""
    if g.is_contiguous() and x.is_contiguous() and y.is_contiguous():
        return g, x, y, False
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if last:
        g, x, y = g.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)
    return g.contiguous(), x.contiguous(), y.contiguous(), last
