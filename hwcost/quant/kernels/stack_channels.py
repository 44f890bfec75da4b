"""The inputs of all layers of a stack: levels of their channels as one table, and the gradients of these."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from math import ceil, inf
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.graph.ste import LN2
from hwcost.quant.kernels.columns import Columns
from hwcost.quant.kernels.dense import Array, Dense, gathered, level_table, spread_offset, width_places
from hwcost.quant.kernels.scalar import LARGEST, along_offset, scalar_like


class _Channels(NamedTuple):
    """Settings of the inputs of all layers, (channels,) each.

    Attributes:
        table: `level_table` of every layer, one after another; its places are widths plus shift.
        base, most, shift: of each channel.
        starts: channel at which each layer begins.
        counts: of the channels of each.
    """

    table: Array
    base: Array
    most: Array
    shift: Array
    starts: Array
    counts: Array


@cache
def _channels(grids: tuple[Columns, ...], counts: tuple[int, ...]) -> _Channels:
    tables = [level_table(grid.kind, grid.most) for grid in grids]
    shifts = [0, *accumulate(table.shape[1] for table in tables)][: len(tables)]
    spread = [
        np.repeat(np.array(column), counts)
        for column in ([float(g.base) for g in grids], [float(g.most) for g in grids], shifts)
    ]
    starts = np.array([0, *accumulate(counts)][: len(counts)])
    base, most, shift = spread
    return _Channels(
        np.concatenate(tables, 1),
        base.astype(np.float32),
        most.astype(np.float32),
        shift,
        starts,
        np.array(counts),
    )


class FlatLevels(NamedTuple):
    """Levels of the inputs of all layers: the columns of `level_table` with the thresholds, (channels,) each.

    Attributes:
        low, high, magic, step, kept: as there.
        offset: of the widths.
        thetas: threshold of each layer. held: whether it is held at its least.
        settings: of the channels.
    """

    low: Array
    high: Array
    magic: Array
    step: Array
    kept: Array
    offset: Array
    thetas: list[float]
    held: list[bool]
    settings: _Channels


def flat_levels(layers: Sequence[Dense], grids: tuple[Columns, ...]) -> FlatLevels:
    """Levels of what enters each layer, now.

    Raises:
        DivergedTraining: a width is NaN.
    """
    thetas, held = [], []
    for layer, grid in zip(layers, grids, strict=True):
        stored = layer.value.item()
        held.append(stored < grid.least)
        theta = max(stored, grid.least) if stored == stored else stored
        if grid.log:
            theta = 2.0 ** ceil(theta) if theta < LARGEST else theta * inf
        thetas.append(theta)
    counts = tuple(layer.weight.shape[1] for layer in layers)
    found = _channels(grids, counts)
    offset = np.concatenate([spread_offset(layer.offset, (layer.weight.shape[1],)) for layer in layers])
    places = width_places(offset, found.base, found.most)
    places += found.shift
    levels = found.table.take(places, 1)
    levels[:4] *= np.repeat(np.array(thetas, np.float32), found.counts)
    low, high, magic, step, kept = levels
    return FlatLevels(low, high, magic, step, kept, offset, thetas, held, found)


class Sums(NamedTuple):
    """Sums over the samples, (channels,) each: of slope times input, of slope times value, before and after clipping.

    Attributes:
        dx_x, g_y, dx_y: with g the slope by the value, and dx that by the input.
        outside: of g where something is clipped; 0 where the lower bound is 0, where it is not asked for.
    """

    dx_x: Array
    g_y: Array
    dx_y: Array
    outside: Array


def input_slopes(
    layers: Sequence[Dense], levels: FlatLevels, sums: Sums, grids: Sequence[Columns], needs: Sequence[Dense]
) -> list[tuple[Tensor | None, Tensor | None]]:
    """Gradients of the thresholds and widths of what enters each layer."""
    low, high, _, step, kept, offset, thetas, held, settings = levels
    # what is clipped lies at its bound: two sums tell how much of the slope lies at each
    d_bits = sums.g_y - sums.dx_y
    d_bits -= sums.outside * low
    d_bits *= step / (high - low)
    d_bits += sums.dx_x - sums.dx_y
    d_bits *= np.float32(LN2)
    moved = np.add.reduceat(sums.g_y - sums.dx_x * kept, settings.starts, dtype=np.float64)
    moved *= [LN2 if grid.log else 1 / theta for grid, theta in zip(grids, thetas, strict=True)]
    room = settings.most - settings.base
    offsets = np.split(along_offset(d_bits, torch.from_numpy(offset), room).numpy(), settings.starts[1:])
    found: list[tuple[Tensor | None, Tensor | None]] = []
    for layer, needed, own, move, below in zip(layers, needs, offsets, moved.tolist(), held, strict=True):
        d_value = scalar_like(layer.value, min(move, 0.0) if below else move) if needed.value else None
        found.append((d_value, gathered(own, layer.offset.shape) if needed.offset else None))
    return found
