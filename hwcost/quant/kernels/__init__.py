"""The arithmetic of quantization, in four forms of one meaning: tensors, one scalar step, rows or columns of numbers.

The door: `fake_quant` takes tensors of any kind; `by_numbers` takes what a scale and a width declare of themselves, and
chooses a form that reads it outside of autograd, in a few kernels where a composition of operations takes dozens.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as calls

from hwcost.quant.kernels.columns import Columns as Columns
from hwcost.quant.kernels.columns import column_quant
from hwcost.quant.kernels.dense import Dense as Dense
from hwcost.quant.kernels.dense import Rules as Rules
from hwcost.quant.kernels.rows import Rows, row_quant
from hwcost.quant.kernels.scalar import scalar_grid, scalar_quant
from hwcost.quant.kernels.stack import dense_stack as dense_stack
from hwcost.quant.kernels.tensor import SMALLEST as SMALLEST
from hwcost.quant.kernels.tensor import Kind as Kind
from hwcost.quant.kernels.tensor import diverged as diverged
from hwcost.quant.kernels.tensor import fake_quant as fake_quant
from hwcost.quant.kernels.tensor import levels as levels

PLAIN = (Tensor, nn.Parameter)
FLOAT32 = torch.float32
is_compiling, transforms = torch.compiler.is_compiling, torch._C._are_functorch_transforms_active
global_hooks: Callable[[], bool] = calls._has_any_global_hook
KINDS = {flags: Kind(*flags) for flags in product((True, False), repeat=3)}
"""Every kind by (signed, narrow, power), made once, because a quantizer asks for one at every call."""


Widths = tuple[Tensor, int, int]
"""Whole widths in bits, (offset, base, most): min(base + round(|offset|), most), as `ste.whole_bits`; the offset has
one element, or broadcasts to what is quantized. A plain tuple, as all that is hot here."""

Number = tuple[Tensor, bool, float]
"""One threshold that does not depend on what is quantized, (value, log, least): value is the threshold or, with log,
its logarithm to base 2, which a power of two rounds up; least is its smallest value, as `ste.held`."""


class Largest(NamedTuple):
    """The largest magnitude of what is quantized.

    Attributes:
        per_row: of each row (the first dimension), or of all.
        least: smallest threshold.
    """

    per_row: bool
    least: float


def watched(part: nn.Module) -> bool:
    """Whether somebody must see the call of a module: a hook of its own, or a forward() set on the object."""
    own = part.__dict__
    return bool(
        own["_forward_hooks"]
        or own["_forward_pre_hooks"]
        or own["_backward_hooks"]
        or own["_backward_pre_hooks"]
        or "forward" in own
    )


def declared(part: nn.Module) -> Any:
    """Declaration that a scale or a width makes by `plain()`; None where it must be called."""
    plain = getattr(part, "plain", None)
    return None if plain is None or watched(part) else plain()


def by_numbers(x: Tensor, scale: nn.Module, bits: nn.Module, kind: Kind, *, prune: bool) -> Tensor | None:
    """`fake_quant` of what a scale and a width declare.

    Args:
        x: values, any shape.
        scale: gives the threshold; bits: gives the width.
        kind, prune: as `fake_quant`.

    Returns:
        As `fake_quant`, with gradients to x and to the Parameters of both; None where one of them must be called, or
        where no form reads them.
    """
    # not on another device or in another precision, not a subclass, not where torch looks at operations (the compiler,
    # torch.func), and not where hooks watch the call of every module
    if not (x.is_cpu and x.dtype is FLOAT32 and type(x) in PLAIN) or is_compiling() or transforms() or global_hooks():
        return None
    threshold, widths = declared(scale), declared(bits)
    if threshold is None or widths is None:
        return None
    offset, base, most = widths
    if isinstance(threshold, Largest):
        per_row, least = threshold
        return row_quant(x, offset, Rows(per_row, least, base, most, kind)) if kind.signed else None
    value, log, least = threshold
    if prune or offset.numel() != 1:
        return column_quant(x, value, offset, Columns(log, least, base, most, kind)) if offset.ndim <= x.ndim else None
    return scalar_quant(x, value, offset, (log, least, base, most, kind))


def grid_numbers(scale: nn.Module, bits: nn.Module, kind: Kind) -> tuple[float, float, float] | None:
    """(step, lowest code, highest code) of what a scale and a width declare, of float32 on the CPU.

    None where one of them must be called, or where thresholds or widths differ.
    """
    if is_compiling() or transforms():
        return None
    threshold, widths = declared(scale), declared(bits)
    if threshold is None or widths is None or isinstance(threshold, Largest):
        return None
    (value, log, least), (offset, base, most) = threshold, widths
    if value.numel() != 1 or offset.numel() != 1 or not (value.is_cpu and value.dtype is FLOAT32 and offset.is_cpu):
        return None
    return scalar_grid(value, offset, (log, least, base, most, kind))
