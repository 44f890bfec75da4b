"""Inputs of a stack of dense layers, and the levels of its quantizers as tables.

All steps are powers of two, so that a value is rounded by an addition and a subtraction.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.quant.kernels.columns import Columns
from hwcost.quant.kernels.tensor import SMALLEST, Kind, diverged

Array = Any
"""A numpy array."""

ROUNDING = 1.5 * 2.0**23
"""Added to a float32 much smaller than it and taken away again, it leaves the nearest whole number, ties to even."""

FAR, FARTHER = 2.0**60, 2.0**62
"""Bounds and step, in thresholds, of what is pruned: all is inside, and rounds to 0."""


class Dense(NamedTuple):
    """Tensors of one layer.

    Attributes:
        value: threshold of what enters, one element.
        offset: widths of what enters; () or (inputs,).
        weight: (outputs, inputs); its largest magnitude, of each row or of all, is its threshold.
        widths: of the weights; (), (outputs, 1) or (outputs, inputs).
        bias: (outputs,), or None.
    """

    value: Tensor
    offset: Tensor
    weight: Tensor
    widths: Tensor
    bias: Tensor | None


class Rules(NamedTuple):
    """Settings of a stack.

    Attributes:
        inputs: of what enters each layer.
        weights: of all weights.
        per_row: whether each row of weights has a threshold, or each layer.
    """

    inputs: tuple[Columns, ...]
    weights: Columns
    per_row: bool


@cache
def level_table(kind: Kind, most: int) -> Array:
    """Tabulate each width at a threshold of 1: lowest, highest value, the number that rounds, step, 1 where coded."""
    bits = np.arange(most + 1)
    kept = bits >= SMALLEST[kind.signed]
    span = np.exp2(np.maximum(bits, SMALLEST[kind.signed]) - kind.signed)
    high = 1 - 1 / span
    low = -(high if kind.narrow else np.ones_like(span)) if kind.signed else np.zeros_like(span)
    step = np.where(kept, 1 / span, FARTHER)
    return np.stack([np.where(kept, low, -FAR), np.where(kept, high, FAR), ROUNDING * step, 1 / span, kept]).astype(
        np.float32
    )


def width_places(offset: Array, base: Array, most: Array) -> Array:
    """Whole widths, as places in a table."""
    bits = np.rint(np.abs(offset))
    bits += base
    np.minimum(bits, most, out=bits)
    if not np.add.reduce(bits, None) >= 0:
        raise diverged()
    return bits.astype(np.intp)


def spread_offset(offset: Tensor, shape: tuple[int, ...]) -> Array:
    """Offsets of what shares a width, one for each that does, in a row."""
    numbers = offset.detach().numpy()
    return (numbers if numbers.shape == shape else np.broadcast_to(numbers, shape)).reshape(-1)


def gathered(numbers: Array, shape: tuple[int, ...]) -> Tensor:
    """Sum of the gradients of what shares a width."""
    found = torch.from_numpy(numbers)
    return found if found.shape == shape else found.sum_to_size(shape)


def split_matrices(flat: Array, layers: Sequence[Dense]) -> list[Array]:
    """Views of numbers of all weights, as matrices."""
    start = 0
    return [
        flat[start : (start := start + layer.weight.numel())].reshape(tuple(layer.weight.shape)) for layer in layers
    ]
