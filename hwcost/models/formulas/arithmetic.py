"""The operations of a law beyond + - * / and comparison: exact, and smooth for its gradient.

Both work on tensors, on python numbers, and on `Slope`, a python number with its derivatives. A law that is written on
an `Arithmetic` is therefore written once: EXACT gives its value, SMOOTH its gradient.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import ceil, floor
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hwcost.graph.ste import ceil_log2
from hwcost.models.formulas.dual_numbers import Slope

Quantity: TypeAlias = Any
"""A float64 tensor, a python number or a `Slope`; + - * / and comparisons mean the same on all three."""

Geometry: TypeAlias = SimpleNamespace
"""Quantities besides widths that a law depends on, by name: python numbers, or tensors with one element per block."""

Ports: TypeAlias = Sequence[tuple[int, int]]
"""(width in bits, depth in words) of a memory cell, geometry by geometry."""

STAGES_AHEAD = 16
"""Stages that are not built yet but already add to the slope of a chain."""

TAIL = 0.1
"""Share of a stage that counts half a bit before it is built, a quarter of it per bit further ahead: the first costly
stage is felt long before it is built. It adds 14% to the slope where each stage doubles the cost."""


class Arithmetic:
    """Exact: includes every rounding and every special case."""

    def ceil(self, x: Quantity) -> Quantity:
        """Round up a quantity that moves with a width."""
        return self.ceil_fixed(x)

    def ceil_fixed(self, x: Quantity) -> Quantity:
        """Round up a quantity of geometry only: rounded in the smooth arithmetic too."""
        return torch.ceil(x) if isinstance(x, Tensor) else ceil(x)

    def floor(self, x: Quantity) -> Quantity:
        """Round down a quantity that moves with a width."""
        return torch.floor(x) if isinstance(x, Tensor) else floor(x)

    def round(self, x: Quantity) -> Quantity:
        """Round to the nearest, a half up, a quantity that moves with a width."""
        return x if isinstance(x, Slope) else self.floor(x + 0.5)

    def ceil_log2(self, x: Quantity) -> Quantity:
        """Ceiling of the logarithm of a quantity of geometry, at least 1."""
        return ceil_log2(x) if isinstance(x, Tensor) else (int(x) - 1).bit_length()

    def exp2(self, x: Quantity) -> Quantity:
        """2^x, exact for whole x."""
        return torch.exp2(x) if isinstance(x, Tensor) else 2.0**x

    def minimum(self, a: Quantity, b: Quantity) -> Quantity:
        """The smaller of both."""
        return self.where(a < b, a, b)

    def maximum(self, a: Quantity, b: Quantity) -> Quantity:
        """The larger of both."""
        return self.where(a < b, b, a)

    def where(self, condition: Quantity, a: Quantity, b: Quantity) -> Quantity:
        """`a` where the condition holds, else `b`."""
        if isinstance(condition, Tensor):
            return torch.where(condition, a, b)
        return a if condition else b

    def special(self, condition: Quantity) -> Quantity:
        """Whether a special case holds; its slope is that of the general law."""
        return condition

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        """Cells that hold a memory in the best of several geometries; its width moves, its depth is geometry."""
        cells = [self.ceil(width / bits) * self.ceil_fixed(depth / words) for bits, words in ports]
        return reduce(self.minimum, cells)

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        """Sum of `term(stage)` over the stages 0, 1, ... of a chain as long as `bits`."""
        return _sum_stages(bits, 0, lambda stage: term(stage) * (bits > stage))


class _Smooth(Arithmetic):
    """Smooth: leaves out the roundings and special cases that move with a width; only its gradient is used."""

    def ceil(self, x: Quantity) -> Quantity:
        return x

    def floor(self, x: Quantity) -> Quantity:
        return x

    def round(self, x: Quantity) -> Quantity:
        return x

    def special(self, condition: Quantity) -> Quantity:
        return condition & False

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        return width * reduce(self.minimum, [self.ceil_fixed(depth / words) / bits for bits, words in ports])

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        def built(ahead: Quantity) -> Quantity:
            # half a bit ahead: at whole bits the slope is the cost of the next stage, not of two stages
            begun = self.minimum(self.maximum(ahead + 0.5, 0.0), 1.0)
            tail = TAIL * self.exp2(2 * ahead)
            return begun + self.where(ahead < 0, tail, 0.0 * tail)

        return _sum_stages(bits, STAGES_AHEAD, lambda stage: term(stage) * built(bits - stage))


def _sum_stages(bits: Quantity, more: int, term: Callable[[Quantity], Quantity]) -> Quantity:
    """Sum over the stages of the longest chain and some more: along a dimension of a tensor, or in a loop."""
    if isinstance(bits, Tensor):
        count = int(bits.max()) + more
        return term(torch.arange(count, dtype=torch.float64).reshape(-1, *([1] * bits.ndim))).sum(0)
    return sum(term(stage) for stage in range(int(bits) + more))


EXACT = Arithmetic()
SMOOTH = _Smooth()
