"""Breakdown of the LUTs, and the price of one bit."""

from __future__ import annotations

import pytest
import torch
from block_strategies import dense
from described_networks import EXAMPLE, Residual

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Thresholds
from hwcost.graph.trace import trace
from hwcost.models import AREAS, Dataflow, Fold, Placed, place, target_fps
from hwcost.models.explain import shadow_prices
from hwcost.quant import LearnedBits
from hwcost.zoo.lenet import QuantLeNet


def test_parts_sum_up_to_the_price() -> None:
    unit = dense(16, 64)
    act = Thresholds(channels=16, vectors=1, input=unit.acc, output=integers(3, signed=False))
    items = [Placed("fc", unit), Placed("fc", act)]
    model = Dataflow(device="xc7z020", folding={"fc": Fold(4, 8)})
    parts = model.parts(items)
    assert [sum(part.values()) for part in parts] == model.price(items)["LUT"].tolist()
    assert set(parts[0]) == {"multipliers", "adders", "accumulators", "replay", "inputs", "weights", "control"}
    assert set(parts[1]) == {"control", "comparators", "thresholds"}
    assert parts[0]["multipliers"] == max(parts[0].values())


def one_bit_less(net: QuantLeNet, name: str, model: Dataflow) -> dict[str, float]:
    """Totals before less those after one bit less of a learned width, accumulators included."""
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    width = net.get_submodule(name)
    assert isinstance(width, LearnedBits)
    with torch.no_grad():
        before = hardware_cost(pipeline, model)
        width.offset -= 1
        after = hardware_cost(pipeline, model)
        width.offset += 1
    return {area: float(before[area] - after[area]) for area in AREAS}


@pytest.mark.parametrize(
    ("name", "streams"),
    [
        ("conv2.weight_quant.bits", [("conv2", "weights"), ("conv2", "accumulator")]),
        ("relu1.quant.bits", [("relu1", "activation"), ("conv2", "accumulator")]),
        ("relu4.quant.bits", [("relu4", "activation"), ("fc3", "accumulator")]),
    ],
)
def test_prices_add_up_to_what_a_bit_saves(name: str, streams: list[tuple[str, str]]) -> None:
    net = QuantLeNet(weight_bits=6, activation_bits=5)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 5_000))
    prices = {(p.layer, p.stream): p for p in shadow_prices(model, place(pipeline.layers()))}
    wanted = one_bit_less(net, name, model)
    for area in AREAS:
        found = sum(prices[stream].saves[area] for stream in streams)
        # weights and accumulator share no term of a law; rounding to whole LUTs does not add up exactly
        assert found == pytest.approx(wanted[area], abs=4), area


def test_a_stream_is_narrowed_wherever_it_goes() -> None:
    pipeline = trace(Residual(), EXAMPLE, input_bits=8)
    placed = place(pipeline.layers())
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 10_000))
    prices = shadow_prices(model, placed)
    names = [(price.layer, price.stream) for price in prices]
    assert len(names) == len(set(names))
    assert {("input", "activation"), ("act", "activation"), ("add", "sum"), ("stem", "weights")} <= set(names)
    assert all(amount >= 0 for price in prices for amount in price.saves.values())
    assert all(price.saves["LUT"] > 0 for price in prices if price.stream == "weights")


def test_one_bit_has_no_bit_to_give() -> None:
    unit = dense(16, 64, input=integers(1, signed=False))
    model = Dataflow(device="xc7z020", folding={"fc": Fold(4, 8)})
    found = shadow_prices(model, [Placed("fc", unit)])
    assert [(price.stream, price.bits) for price in found] == [("weights", 4), ("accumulator", int(unit.acc.bits))]
