"""Folding that is chosen again at every combination of widths."""

from __future__ import annotations

import pytest
import torch

from hwcost.cost.cached import LiveCost
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadFolding, BadOption
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import AREAS, Dataflow, HardwareModel, Refolding, target_fps
from hwcost.zoo.lenet import QuantLeNet


def lenet(weight_bits: int, activation_bits: int) -> tuple[QuantLeNet, Pipeline]:
    net = QuantLeNet(weight_bits, activation_bits)
    return net, trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)


def lut(pipeline: Pipeline, model: HardwareModel) -> float:
    with torch.no_grad():
        return float(hardware_cost(pipeline, model)["LUT"])


@pytest.mark.slow
def test_it_is_the_folding_of_the_widths_of_now() -> None:
    model = Refolding(10_000, device="xc7z020")
    assert isinstance(model, HardwareModel)
    for widths in ((8, 8), (3, 4), (8, 8)):
        _, pipeline = lenet(*widths)
        fixed = Dataflow(device="xc7z020", folding=target_fps(pipeline, 10_000))
        ours, theirs = hardware_cost(pipeline, model), hardware_cost(pipeline, fixed)
        assert {name: float(a.detach()) for name, a in ours.items()} == {
            n: float(a.detach()) for n, a in theirs.items()
        }


@pytest.mark.slow
@pytest.mark.parametrize(("fps", "spares"), [(10_000, False), (20_000, True)])
def test_never_dearer_than_a_folding_that_stays_and_never_cheaper_with_more_bits(fps: int, spares: bool) -> None:
    model = Refolding(fps, device="xc7z020")
    stays = Dataflow(device="xc7z020", folding=target_fps(lenet(8, 8)[1], fps))
    found, fixed = [], []
    for bits in (2, 3, 4, 6, 8):
        _, pipeline = lenet(bits, bits)
        found.append(lut(pipeline, model))
        fixed.append(lut(pipeline, stays))
        assert found[-1] <= fixed[-1]
    assert found == sorted(found) and (found[0] < fixed[0]) == spares


def test_it_trains() -> None:
    net, pipeline = lenet(6, 5)
    model = Refolding(20_000, device="xc7z020")
    cost = hardware_cost(pipeline, model)
    cost["LUT"].backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    slopes = [p.grad for name, p in net.named_parameters() if name.endswith("bits.offset")]
    assert all(slope is not None and slope > 0 for slope in slopes)
    live = LiveCost(net, pipeline, model)()
    assert {name: float(live[name].detach()) for name in AREAS} == {name: float(cost[name].detach()) for name in AREAS}


def test_a_stream_that_grows_too_wide_is_folded_away_or_refused() -> None:
    _, wide = lenet(16, 16)
    with pytest.raises(BadFolding, match="no legal folding"):
        lut(wide, Refolding(20_000, device="xc7z020", max_stream_bits=8))
    with pytest.raises(BadOption, match="fps=0"):
        Refolding(0, device="xc7z020")
