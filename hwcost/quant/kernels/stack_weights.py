"""The weights of all layers of a stack, quantized as one array, and their gradients."""

from collections.abc import Sequence
from functools import cache
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.graph.ste import LN2
from hwcost.quant.kernels.columns import Columns
from hwcost.quant.kernels.dense import (
    Array,
    Dense,
    Rules,
    gathered,
    level_table,
    split_matrices,
    spread_offset,
    width_places,
)
from hwcost.quant.kernels.scalar import along_offset


class FlatWeights(NamedTuple):
    """All weights of a stack, one after the other, and what their gradients are computed from.

    Attributes:
        values, y: as they are, and quantized.
        largest: magnitude of each row.
        widths: their offsets.
        step, kept: of each.
        beyond: places of those that are clipped.
        rows: where each row begins, and how long it is.
    """

    values: Array
    y: Array
    largest: Array
    widths: Array
    step: Array
    kept: Array
    beyond: Array
    rows: tuple[Array, Array]


@cache
def _rows(sizes: tuple[tuple[int, int], ...], per_row: bool) -> tuple[Array, Array]:
    """Beginnings and lengths of the rows of matrices that lie one after the other."""
    lengths = np.array([n for rows, cols in sizes for n in ([cols] * rows if per_row else [rows * cols])])
    return np.cumsum(lengths) - lengths, lengths


def flat_weights(layers: Sequence[Dense], rules: Rules) -> FlatWeights:
    """Quantize the weights of all layers.

    Raises:
        DivergedTraining: a width is NaN.
    """
    grid = rules.weights
    starts, lengths = _rows(tuple(tuple(layer.weight.shape) for layer in layers), rules.per_row)
    values = np.concatenate([layer.weight.detach().numpy().reshape(-1) for layer in layers])
    largest = np.maximum.reduceat(np.abs(values), starts)
    mantissa, exponent = np.frexp(np.maximum(largest, grid.least))
    theta = np.repeat(np.ldexp(np.float32(1), exponent - (mantissa == 0.5)), lengths)
    widths = np.concatenate([spread_offset(layer.widths, layer.weight.shape) for layer in layers])
    places = width_places(widths, grid.base, grid.most)
    low, high, magic, step, kept = (column.take(places) for column in level_table(grid.kind, grid.most))
    for one in (low, high, magic):
        one *= theta
    y = np.maximum(values, low)
    np.minimum(y, high, out=y)
    beyond = np.flatnonzero(y != values)
    y += magic
    y -= magic
    step *= theta
    return FlatWeights(values, y, largest, widths, step, kept, beyond, (starts, lengths))


def _weight_slopes(made: FlatWeights, g: Array, grid: Columns) -> tuple[Array, Array]:
    """Gradients of all weights, and of the offset of the width of each, from that of the quantized weights."""
    values, y, largest, widths, step, kept, beyond, (starts, lengths) = made
    noise = values - y
    noise *= g
    pull = noise * kept
    dx = g.copy()
    if len(beyond):
        gradient, own = g[beyond], values[beyond]
        dx[beyond] = 0
        pull[beyond] = -gradient * y[beyond]
        noise[beyond] = gradient * step[beyond] * np.where(own > 0, 1, -1 if grid.kind.narrow else 0)
    noise *= np.float32(LN2)
    moving = np.add.reduceat(pull, starts)
    moving /= np.where(largest < grid.least, np.float32(inf), largest)
    # to the first of the largest of each row
    reached = np.flatnonzero(np.abs(values) == np.repeat(largest, lengths))
    if len(reached) == len(starts):  # no two alike
        dx[reached] -= moving * np.sign(values[reached])
    else:
        row, first = np.unique(np.searchsorted(starts, reached, side="right") - 1, return_index=True)
        dx[reached[first]] -= moving[row] * np.sign(values[reached[first]])
    return dx, along_offset(noise, torch.from_numpy(widths), grid.most - grid.base).numpy()


def matrix_slopes(
    layers: Sequence[Dense], made: FlatWeights, slopes: Array, grid: Columns, needs: Sequence[Dense]
) -> list[tuple[Tensor | None, Tensor | None]]:
    """Gradients of the weights of each layer, and of their widths."""
    values, widths = (split_matrices(one, layers) for one in _weight_slopes(made, slopes, grid))
    return [
        (
            torch.from_numpy(value) if needed.weight else None,
            gathered(width, layer.widths.shape) if needed.widths else None,
        )
        for value, width, layer, needed in zip(values, widths, layers, needs, strict=True)
    ]
