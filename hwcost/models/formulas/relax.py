"""Make a law of whole widths differentiable: its exact value, with the gradient of its smooth twin."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from hwcost.graph.ste import with_gradient_of
from hwcost.models.formulas.arithmetic import EXACT, SMOOTH, Arithmetic, Quantity

WidthLaw: TypeAlias = Callable[[Arithmetic, Tensor], Mapping[str, Quantity]]
"""(arithmetic, widths of shape (k, ...)) -> one quantity per name."""


def _corners(widths: Tensor) -> tuple[Tensor, Tensor]:
    """The 2^k whole neighbours of each point, (k, 2^k, N), and their multilinear weights, (2^k, N)."""
    dims = widths.shape[0]
    low = widths.floor()
    part = widths - low
    up = torch.tensor([[corner >> d & 1 for corner in range(2**dims)] for d in range(dims)], dtype=torch.float64)
    weights = torch.where(up[:, :, None] == 1, part[:, None, :], 1 - part[:, None, :]).prod(0)
    return low[:, None, :] + up[:, :, None], weights


def stacked(quantities: Mapping[str, Quantity], shape: tuple[int, ...]) -> Tensor:
    """The quantities as one tensor, float64 (len(quantities), *shape); numbers and single elements are repeated."""
    return torch.stack([torch.as_tensor(q, dtype=torch.float64).expand(shape) for q in quantities.values()])


def relax(law: WidthLaw, widths: Tensor) -> dict[str, Tensor]:
    """Evaluate a law of whole widths so that gradients reach the widths.

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
            value = stacked(found, count)
        else:
            points, weights = _corners(fixed)
            found = law(EXACT, points)
            value = (stacked(found, points.shape[1:]) * weights).sum(1)
    if widths.requires_grad and torch.is_grad_enabled():
        value = with_gradient_of(value, stacked(law(SMOOTH, widths), count))
    return dict(zip(found, value, strict=True))
