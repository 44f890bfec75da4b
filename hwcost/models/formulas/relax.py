"""One formula, three arithmetics: exact integers, exact tensors, and a smooth twin that only lends its gradient.

A law is written once, on an `Arithmetic`. On `PLAIN` it is the integer reference (python numbers), on `EXACT` the
same for tensors, on `SMOOTH` every rounding that moves with a width is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from hwcost.graph.ste import ceil_log2, with_gradient_of

Quantity: TypeAlias = Any
"""A python number under `PLAIN`, a float64 tensor under `EXACT` and `SMOOTH`."""

Ports: TypeAlias = Sequence[tuple[int, int]]
"""(width in bits, depth in words) of a memory cell, geometry by geometry."""


class Arithmetic(Protocol):
    """The operations of a law beyond + - * / and comparison."""

    def ceil(self, x: Quantity) -> Quantity:
        """Round up a quantity that moves with a width."""
        ...

    def ceil_fixed(self, x: Quantity) -> Quantity:
        """Round up a quantity of geometry only: rounded in every arithmetic."""
        ...

    def floor(self, x: Quantity) -> Quantity:
        """Round down a quantity that moves with a width."""
        ...

    def ceil_log2(self, x: Quantity) -> Quantity:
        """Ceiling of the logarithm of a quantity of geometry, at least 1."""
        ...

    def exp2(self, x: Quantity) -> Quantity:
        """2^x, exact for whole x."""
        ...

    def minimum(self, a: Quantity, b: Quantity) -> Quantity:
        """The smaller of both."""
        ...

    def maximum(self, a: Quantity, b: Quantity) -> Quantity:
        """The larger of both."""
        ...

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        """Cells that hold a memory in the best of several geometries; its width moves, its depth is geometry."""
        ...

    def where(self, condition: Quantity, a: Quantity, b: Quantity) -> Quantity:
        """`a` where the condition holds, else `b`."""
        ...

    def special(self, condition: Quantity) -> Quantity:
        """Whether a special case holds; its slope is that of the general law."""
        ...

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        """Sum of `term(stage)` over the stages 0, 1, ... of a chain as long as `bits`."""
        ...


class Plain:
    """Python numbers: the reference."""

    def ceil(self, x: Quantity) -> Quantity:
        return ceil(x)

    def ceil_fixed(self, x: Quantity) -> Quantity:
        return ceil(x)

    def floor(self, x: Quantity) -> Quantity:
        return floor(x)

    def ceil_log2(self, x: Quantity) -> Quantity:
        return (int(x) - 1).bit_length()

    def exp2(self, x: Quantity) -> Quantity:
        return 2.0**x

    def minimum(self, a: Quantity, b: Quantity) -> Quantity:
        return min(a, b)

    def maximum(self, a: Quantity, b: Quantity) -> Quantity:
        return max(a, b)

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        return min(ceil(width / bits) * ceil(depth / words) for bits, words in ports)

    def where(self, condition: Quantity, a: Quantity, b: Quantity) -> Quantity:
        return a if condition else b

    def special(self, condition: Quantity) -> Quantity:
        return condition

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        return sum(term(stage) for stage in range(bits))


class Exact:
    """Tensors of whole widths: equal to `Plain`, element by element."""

    def ceil(self, x: Quantity) -> Quantity:
        return torch.ceil(x)

    def ceil_fixed(self, x: Quantity) -> Quantity:
        return torch.ceil(x)

    def floor(self, x: Quantity) -> Quantity:
        return torch.floor(x)

    def ceil_log2(self, x: Quantity) -> Quantity:
        return ceil_log2(x)

    def exp2(self, x: Quantity) -> Quantity:
        return torch.exp2(x)

    def minimum(self, a: Quantity, b: Quantity) -> Quantity:
        return torch.where(a < b, a, b)

    def maximum(self, a: Quantity, b: Quantity) -> Quantity:
        return torch.where(a < b, b, a)

    def fewest_cells(self, width: Quantity, depth: Quantity, ports: Ports) -> Quantity:
        best: Quantity = None
        for bits, words in ports:
            cells = self.ceil(width / bits) * torch.ceil(torch.as_tensor(depth / words))
            best = cells if best is None else self.minimum(best, cells)
        return best

    def where(self, condition: Quantity, a: Quantity, b: Quantity) -> Quantity:
        if isinstance(condition, Tensor):
            return torch.where(condition, a, b)
        return a if condition else b

    def special(self, condition: Quantity) -> Quantity:
        return condition

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        stage = _stages(int(bits.max()), bits)
        return (term(stage) * (bits > stage)).sum(0)


class Smooth(Exact):
    """As `Exact` without the roundings that move with a width; only its gradient is used."""

    def ceil(self, x: Quantity) -> Quantity:
        return x

    def floor(self, x: Quantity) -> Quantity:
        return x

    def special(self, condition: Quantity) -> Quantity:
        return torch.zeros_like(condition)

    def sum_stages(self, bits: Quantity, term: Callable[[Quantity], Quantity]) -> Quantity:
        stage = _stages(int(bits.max()) + STAGES_AHEAD, bits)
        ahead = bits - stage
        # half a bit ahead: at whole bits the slope is the cost of the next stage, not of two stages. The tail makes
        # the first costly stage felt long before it is built; it adds 14% to the slope where each stage doubles.
        built = torch.clamp(ahead + 0.5, 0, 1) + 0.1 * torch.exp2(2 * torch.clamp(ahead, max=0)) * (ahead < 0)
        return (term(stage) * built).sum(0)


STAGES_AHEAD = 16


def _stages(count: int, bits: Tensor) -> Tensor:
    return torch.arange(count, dtype=torch.float64).reshape(-1, *([1] * bits.ndim))


PLAIN = Plain()
EXACT = Exact()
SMOOTH = Smooth()

Law: TypeAlias = Callable[[Arithmetic, Any], dict[str, Quantity]]
"""(arithmetic, widths of shape (k, ...)) -> one quantity per name."""


def _corners(widths: Tensor) -> tuple[Tensor, Tensor]:
    """The 2^k whole neighbours of each point, (k, 2^k, N), and their multilinear weights, (2^k, N)."""
    dims = widths.shape[0]
    low = widths.floor()
    part = widths - low
    up = torch.tensor([[corner >> d & 1 for corner in range(2**dims)] for d in range(dims)], dtype=torch.float64)
    weights = torch.where(up[:, :, None] == 1, part[:, None, :], 1 - part[:, None, :]).prod(0)
    return low[:, None, :] + up[:, :, None], weights


def _stacked(quantities: dict[str, Quantity], shape: tuple[int, ...]) -> Tensor:
    tensors = [torch.as_tensor(q, dtype=torch.float64).expand(shape) for q in quantities.values()]
    return torch.stack(tensors)


def relax(law: Law, widths: Tensor) -> dict[str, Tensor]:
    """A law of whole widths, made differentiable.

    Args:
        law: non-decreasing in every width; must be finite one bit above every width.
        widths: in bits, at least 1; float64, (k, N): k widths of N blocks.

    Returns:
        Name -> float64 (N,). At whole widths the law itself, bit for bit; between them multilinear on the lattice of
        the 2^k neighbours. Gradient: that of the law without its roundings, so it does not die on a plateau.
    """
    count = widths.shape[1:]
    with torch.no_grad():
        fixed = widths.detach()
        if bool((fixed == fixed.floor()).all()):
            found = law(EXACT, fixed)
            value = _stacked(found, count)
        else:
            points, weights = _corners(fixed)
            found = law(EXACT, points)
            value = (_stacked(found, points.shape[1:]) * weights).sum(1)
    if widths.requires_grad and torch.is_grad_enabled():
        value = with_gradient_of(value, _stacked(law(SMOOTH, widths), count))
    return dict(zip(found, value, strict=True))
