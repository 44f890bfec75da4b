"""Thresholds as they are built: the code that they count is that of the comparators, whatever the signs and gains."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch

from hwcost.build.thresholds import steps_of
from hwcost.graph.ranges import Range, binary, integers
from hwcost.integer.operations import Comparators


@pytest.mark.parametrize("gain", [1, 2])
@pytest.mark.parametrize(
    "output",
    [integers(3, signed=False), integers(3, signed=True), integers(3, signed=True, narrow=True), binary()],
    ids=["unsigned", "signed", "narrow", "bipolar"],
)
def test_the_count_is_the_code_of_every_integer(output: Range, gain: int) -> None:
    generator = torch.Generator().manual_seed(3)
    low, high = int(output.low), int(output.high)
    levels = 1 if output.bipolar else high - low
    thresholds = torch.randint(-30, 30, (6, levels), generator=generator).sort(1).values
    found = Comparators(
        thresholds=thresholds, sign=torch.tensor([1, -1] * 3), lowest=torch.full((6,), low),
        gap=2 if output.bipolar else 1,
    )  # fmt: skip
    offset = torch.tensor([0, 3, -5, 1, 0, 2])
    built = steps_of(found, -16, 15, output, gain, offset)
    assert bool((built.steps.diff(dim=1) >= 0).all()) and built.steps.shape == (6, 2**built.bits - 1)
    codes = torch.arange(-16, 16)
    wanted = found(gain * codes[:, None] + offset)
    count = (codes[:, None, None] >= built.steps).sum(-1)
    count = torch.where(built.falls, 2**built.bits - 1 - count, count)
    made = 2 * count - 1 if output.bipolar else count - (2 ** (built.bits - 1) if output.signed else 0)
    assert torch.equal(made, wanted)
