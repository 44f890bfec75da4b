"""Folded units and constants in one pipeline: each layer at the price of its own model, streams folded."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from hwcost.cost.estimate import estimate
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.spec import Link
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, Mixed, Unrolled, place, target_fps
from hwcost.models.latency import latency_cycles
from hwcost.models.mixed import cheapest
from hwcost.quant import LearnedBits, QuantLinear, QuantReLU, learned_activation, learned_weight

PART = {"device": "xczu3eg", "clock_mhz": 100.0}


def pipeline(*sizes: int) -> tuple[nn.Sequential, Pipeline]:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [
            QuantLinear(before, after, weight_quant=learned_weight(bits=3)),
            QuantReLU(learned_activation(bits=3)),
        ]
    net = nn.Sequential(*layers)
    return net, trace(net, torch.zeros(1, sizes[0]), input_bits=4)


def models(network: Pipeline, fps: float) -> tuple[Dataflow, Unrolled]:
    folded = Dataflow(folding=target_fps(network, fps, clock_mhz=100), **PART)
    return folded, Unrolled(sums="shared", **PART)


def test_every_layer_has_the_price_of_its_model() -> None:
    _, network = pipeline(8, 6, 4)
    folded, constants = models(network, 1e6)
    placed = place(network.layers())
    mixed = Mixed(folded, constants, {"2", "3"})
    found = mixed.price(placed)
    for name in Mixed.resources:
        units, wires = folded.price(placed)[name], constants.price(placed)[name]
        for at, item in enumerate(placed):
            expected = wires if item.layer in ("2", "3") and not isinstance(item.block, Link) else units
            assert found[name][at].item() == expected[at].item()
    assert mixed.reads_weights and not Mixed(folded, constants, ()).reads_weights
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            Mixed(folded, constants, ()).price(placed).values(), folded.price(placed).values(), strict=True
        )
    )


def test_widths_hear_both_prices() -> None:
    net, network = pipeline(8, 6, 4)
    mixed = Mixed(*models(network, 1e6), {"2"})
    hardware_cost(network, mixed)["LUT"].backward()
    for name, width in net.named_modules():
        if isinstance(width, LearnedBits):
            assert width.offset.grad is not None and float(width.offset.grad) > 0, name


def test_the_faster_a_layer_must_be_the_sooner_it_is_made_of_constants() -> None:
    _, network = pipeline(32, 16, 4)
    placed = place(network.layers())
    slow, fast = (cheapest(placed, *models(network, fps)) for fps in (1e5, 1e8))
    assert slow.constants == frozenset() and fast.constants == {"0", "2"}
    assert fast.folded.folding["0"].pe == 16 and fast.folded.folding["0"].simd == 32
    priced = estimate(network, fast)
    assert priced.total["cycles"] == 1 and priced.total["DSP"] == 0
    folded = estimate(network, models(network, 1e8)[0])
    assert priced.total["LUT"] < folded.total["LUT"]
    assert priced.latency_cycles >= latency_cycles(network.layers(), fast.folded)


def test_what_is_refused() -> None:
    _, network = pipeline(8, 6)
    folded, _ = models(network, 1e6)
    with pytest.raises(BadOption, match="give both the same"):
        Mixed(folded, Unrolled(device="xczu3eg", clock_mhz=200), ())
    with pytest.raises(BadOption, match=r"constants\['fc9'\]"):
        hardware_cost(network, Mixed(*models(network, 1e6), {"fc9"}))
