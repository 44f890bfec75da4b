"""Heads: scores and sums are those of torch, exponentials as close as their table, by brute force."""

from __future__ import annotations

import pytest
import torch
from sequence_networks import grid

from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec, Signal
from hwcost.quant.layers.heads import HeadContext, HeadScores, ScoreExp
from hwcost.quant.layers.rows import RowMax


def test_scores_and_weighted_sums_are_those_of_each_head() -> None:
    torch.manual_seed(0)
    q, k = torch.randint(-8, 8, (2, 5, 6)), torch.randint(-8, 8, (2, 4, 6))
    scores = HeadScores(grid(4), grid(4), features=6, heads=2).codes(q, k)
    assert scores.shape == (2, 10, 4)
    wanted = [
        (q[:, t, 3 * h : 3 * h + 3, None] * k[:, :, 3 * h : 3 * h + 3].mT).sum(1) for t in range(5) for h in (0, 1)
    ]
    assert torch.equal(scores, torch.stack(wanted, 1))
    context = HeadContext(grid(4), grid(4), length=4, features=6, heads=2).codes(scores, k)
    sums = [(scores[:, 2 * t + h, :, None] * k[:, :, 3 * h : 3 * h + 3]).sum(1) for t in range(5) for h in (0, 1)]
    assert torch.equal(context, torch.stack(sums, 1))


@pytest.mark.parametrize(("softmax", "worst"), [("exp", 0.05), ("pow2", 0.35)])
def test_every_exponential_is_as_close_as_its_table(softmax: str, worst: float) -> None:
    scores = HeadScores(grid(6), grid(6), features=8, heads=1)
    layer = ScoreExp(scores, RowMax(scores), bits=8, table_bits=8, softmax=softmax)
    unit = float(scores.step().detach())
    apart = torch.arange(0, int(10 / unit))
    found = layer.codes(-apart, torch.zeros_like(apart)).double() / layer.one
    assert float((found - torch.exp(-apart * unit)).abs().max()) < worst
    assert found[0] == 1 and found[-1] == 0 and bool((found[1:] <= found[:-1]).all())
    if softmax == "pow2":
        assert all(weight & (weight - 1) == 0 for weight in layer.entries())


def test_keys_and_values_are_weights_that_arrive_as_a_stream() -> None:
    queries, keys = grid(4), grid(4)
    layer = HeadScores(queries, keys, features=6, heads=2)
    signals = [
        Signal(range=integers(4, signed=True), shape=(length, 6), channels_last=True, grid=source)
        for length, source in ((5, queries), (4, keys))
    ]
    (unit,) = layer.describe(*signals, shape=(10, 4)).blocks
    assert isinstance(unit, MatVec)
    assert (unit.rows, unit.cols, unit.vectors, unit.held, unit.by_column) == (4, 3, 10, 2, False)
