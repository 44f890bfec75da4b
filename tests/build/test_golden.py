"""Words at the ports: pixel by pixel, channels side by side."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

import torch
from accelerated import built, folded, traced

from hwcost.build.golden import drawn, golden


def test_words_hold_the_channels_of_a_pixel_side_by_side() -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    sample = torch.arange(72).reshape(1, 2, 6, 6) % 8 - 4
    found = golden(made, sample)
    lanes = made.entering.lanes
    elements = [word >> (3 * lane) & 7 for word in found.sent for lane in range(lanes)]
    assert elements == [int(value) & 7 for value in sample[0].movedim(0, -1).flatten()]
    assert found.frames == 1 and len(found.wanted) == made.words[1]


def test_samples_are_drawn_from_the_whole_range_and_repeat_with_their_seed() -> None:
    made = built(pipeline := traced("dense"), folded(pipeline, 40))
    samples = drawn(made, 50, seed=3)
    assert (int(samples.min()), int(samples.max())) == (-4, 3)
    assert torch.equal(samples, drawn(made, 50, seed=3)) and not torch.equal(samples, drawn(made, 50, seed=4))
    one = golden(made, samples).first(2)
    assert (one.frames, len(one.sent)) == (2, 2 * made.words[0])
