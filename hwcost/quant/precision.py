"""Widths and scales keep full precision when the network around them is cast lower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

FULL = (torch.float32, torch.float64)


class FullPrecision(nn.Module):
    """A module whose floating-point numbers stay float32 or float64.

    `model.bfloat16()` would round a learned width of 5.4999 up to 5.5, and so change the hardware.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def kept(number: Tensor) -> Tensor:
            moved = fn(number)
            if number.is_floating_point() and moved.dtype not in FULL:
                return number.to(moved.device)
            return moved

        super()._apply(kept, recurse)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return self
