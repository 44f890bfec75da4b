"""Sliding windows in RTL: strides, dilations and padding; the way through an image."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.models.calibration.unit_prices import block_of
from hwcost.synth.window import walk


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="window", input="UINT4", simd=2, structure="serial", geometry="4 7x8 2x3 2x2 1x1 1x0"),
        Unit(kind="window", input="UINT4", simd=4, structure="serial", geometry="4 7x9 3x2 2x1 2x3 0x0"),
        Unit(kind="window", input="UINT4", simd=2, structure="parallel", geometry="4 17x19 3x3 1x2 1x1 1x1"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_strides_dilations_and_padding(unit: Unit) -> None:
    assert prove(unit)


@pytest.mark.parametrize("geometry", ["4 7x8 2x3 2x2 1x1 1x0", "2 9x9 3x3 1x2 2x1 0x1"])
def test_the_walk_visits_the_words_of_each_window_in_order(geometry: str) -> None:
    unit = Unit(kind="window", input="UINT4", simd=2, structure="serial", geometry=geometry)
    block, path = block_of(unit), walk(unit)
    fold, width = block.channels // 2, block.image[1] + 2 * block.padding[1][0]
    wanted = [
        ((oy * block.stride[0] + ky * block.dilation[0]) * width + ox * block.stride[1] + kx * block.dilation[1]) * fold
        + f
        for oy, ox in product(*map(range, block.output))
        for ky, kx in product(*map(range, block.kernel))
        for f in range(fold)
    ]
    at, found, turns = 0, [], [0] * len(path.sizes)
    for _ in range(prod(path.sizes)):
        found.append(at)
        level = next((level for level, size in enumerate(path.sizes) if turns[level] < size - 1), None)
        if level is None:
            break
        turns[:level] = [0] * level
        turns[level] += 1
        at += path.jumps[level]
    assert found == wanted and max(found) < path.words
