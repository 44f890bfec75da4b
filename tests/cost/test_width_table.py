"""Many assignments at once, equal to the live cost at each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from described_networks import EXAMPLE, Residual
from torch import nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.cost.width_table import WidthPrices
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, HardwareModel, target_fps
from hwcost.quant import LearnedBits, Restrict


def residual() -> tuple[Residual, Pipeline, Dataflow]:
    net = Residual()
    pipeline = trace(net, EXAMPLE, input_bits=8)
    return net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 10_000))


def live(net: nn.Module, pipeline: Pipeline, model: HardwareModel, row: list[int]) -> dict[str, float]:
    with torch.no_grad():
        for bits, width in zip(learned_widths(net).values(), row, strict=True):
            bits.offset.fill_(width - bits.base)
        return {name: float(value) for name, value in hardware_cost(pipeline, model).items()}


def test_many_assignments_of_a_width_per_channel() -> None:
    net = nn.Sequential(Residual().stem, nn.BatchNorm2d(8), Residual().act)
    net[0].weight_quant.bits = LearnedBits(4, shape=(8, 1, 1, 1))
    pipeline = trace(net, EXAMPLE, input_bits=8)
    prices = WidthPrices(net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 10_000)))
    rows = np.random.default_rng(1).integers(2, 17, (3_000, 9))
    found = prices.price(rows)  # one by one that would take a minute
    widest = prices.price(np.concatenate([rows[:, :8].max(1, keepdims=True).repeat(8, axis=1), rows[:, 8:]], axis=1))
    for name, values in found.items():  # a stream is as wide as its widest channel
        assert (values == widest[name]).all()


def test_only_what_is_wanted() -> None:
    net, pipeline, model = residual()
    all_of_it = WidthPrices(net, pipeline, model).price([[4] * 8])
    assert WidthPrices(net, pipeline, model, ["cycles", "LUT"]).price([[4.0] * 8]) == {
        "cycles": all_of_it["cycles"], "LUT": all_of_it["LUT"],
    }  # fmt: skip


def test_none_at_all() -> None:
    prices = WidthPrices(*residual())
    assert {name: values.shape for name, values in prices.price(np.zeros((0, 8), dtype=int)).items()} == {
        name: (0,) for name in prices.resources
    }


def test_shadow_prices_are_differences() -> None:
    net, pipeline, model = residual()
    here = [2, 16, 5, 4, 3, 6, 7, 8]
    found = WidthPrices(net, pipeline, model).shadow_prices(here)
    cost = live(net, pipeline, model, here)
    for index, (name, changes) in enumerate(found.items()):
        for side, step in enumerate((-1, 1)):
            row = [width + step * (i == index) for i, width in enumerate(here)]
            if not 2 <= row[index] <= 16:
                assert np.isnan([pair[side] for pair in changes.values()]).all(), name
                continue
            there = live(net, pipeline, model, row)
            assert {key: pair[side] for key, pair in changes.items()} == {key: there[key] - cost[key] for key in cost}
    assert len(found) == 8


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([[4] * 7], r"shape \(1, 7\).*\(assignments, 8\)"),
        ([4] * 8, r"shape \(8,\)"),
        ([["4"] * 8], "type <U1"),
        ([[4] * 8, [4] * 7 + [1]], r"head.bias_quant.bits = 1 in assignment 1; give a whole number from 2 to 16"),
        ([[4.5] + [4] * 7], r"stem.weight_quant.bits = 4.5 in assignment 0"),
        ([[17] + [4] * 7], r"from 2 to 16"),
    ],
)
def test_bad_widths(widths: Any, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        WidthPrices(*residual()).price(widths)


def test_what_it_cannot_tabulate() -> None:
    net, _, model = residual()
    with pytest.raises(BadOption, match="'MACs' is not priced; this model prices LUT"):
        WidthPrices(*residual(), ["MACs"])
    net.stem.weight_quant.bits = LearnedBits(4, restrict=Restrict.FLOAT)  # type: ignore[attr-defined]
    with pytest.raises(BadOption, match="depends on more than whole learned widths"):
        WidthPrices(net, trace(net, EXAMPLE, input_bits=8), model)
