"""Estimates for people: rows that add up, a verdict, plain data; and the integer reference behind every price."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from hwcost.cost.bill import price
from hwcost.cost.estimate import Estimate, PriceTable, estimate
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.spec import Block
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import (
    AREAS,
    FORMULAS,
    RESOURCES,
    Dataflow,
    Finn,
    Fold,
    Generic,
    Placed,
    Refolding,
    Unrolled,
    place,
    target_fps,
)
from hwcost.models.device import device
from hwcost.models.resources import OnPart
from hwcost.models.shell import shell
from hwcost.quant import LearnedBits, QuantLinear, const_weight, learned_weight
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.train.budget import Budget
from hwcost.zoo.lenet import QuantLeNet


def lenet(weight_bits: int = 8, activation_bits: int = 8) -> Pipeline:
    net = QuantLeNet(weight_bits=weight_bits, activation_bits=activation_bits)
    return trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)


def on(pipeline: Pipeline, part: str = "xc7z020", fps: float = 1_000.0, clock_mhz: float = 100.0) -> Dataflow:
    return Dataflow(device=part, folding=target_fps(pipeline, fps, clock_mhz=clock_mhz), clock_mhz=clock_mhz)


@pytest.fixture(scope="module")
def priced() -> Estimate:
    pipeline = lenet()
    return estimate(pipeline, on(pipeline))


def test_totals_are_the_sums_and_the_slowest(priced: Estimate) -> None:
    assert set(priced.total) == set(RESOURCES)
    for name in AREAS:
        assert priced.total[name] == priced.layers[name].sum()
    assert priced.total["cycles"] == priced.layers["cycles"].max()
    assert priced.fps == 100e6 / priced.total["cycles"] >= 1_000
    assert priced.layers["share"].sum() == pytest.approx(priced.total["LUT"] / 53_200, rel=1e-12)


def test_a_row_per_layer_with_hardware(priced: Estimate) -> None:
    table = priced.layers.set_index("layer")
    assert list(table.index) == [
        "conv1", "relu1", "max_pool2d", "conv2", "relu2", "max_pool2d_1", "fc1", "relu3", "fc2", "relu4", "fc3",
    ]  # fmt: skip
    conv, relu = table.loc["conv2"], table.loc["relu2"]
    assert (conv["kind"], conv["geometry"]) == ("QuantConv2d", "150×16 ·100")
    assert 150 % conv["SIMD"] == 0 and 16 % conv["PE"] == 0
    # 150 products of an unsigned 8-bit and a narrow signed 8-bit number
    largest = 150 * 255 * 127
    assert (conv["weight_bits"], conv["input_bits"], conv["acc_bits"]) == (8, 8, largest.bit_length() + 1)
    assert (relu["input_bits"], relu["output_bits"]) == (conv["acc_bits"], 8)
    assert pd.isna(relu["weight_bits"]) and pd.isna(relu["acc_bits"])


def test_the_breakdown_adds_up(priced: Estimate) -> None:
    assert priced.breakdown.index.tolist() == priced.layers["layer"].tolist()
    assert priced.breakdown.sum(axis=1).tolist() == priced.layers["LUT"].tolist()
    unit, act = priced.breakdown.loc["conv2"], priced.breakdown.loc["relu2"]
    assert unit["multipliers"] > 0 and unit["adders"] > 0 and unit["lines"] >= 0 and unit["comparators"] == 0
    assert act["comparators"] > 0 and act["thresholds"] > 0 and act["multipliers"] == 0


def test_more_latency_than_interval(priced: Estimate) -> None:
    assert priced.total["cycles"] < priced.latency_cycles < priced.layers["cycles"].sum()
    assert priced.latency_us == priced.latency_cycles / 100
    assert priced.record()["latency_cycles"] == priced.latency_cycles


def test_the_clock_that_is_reached_is_told_with_its_unit(priced: Estimate) -> None:
    assert priced.clock is not None
    assert priced.record()["clock"]["fmax_mhz"] == priced.clock.fmax_mhz
    assert priced.clock.slowest.layer in set(priced.layers["layer"])
    pipeline = lenet()
    assert estimate(pipeline, Unrolled(device="xc7z020")).clock is None


def test_registers_raise_the_clock_at_the_price_of_flip_flops_and_latency(priced: Estimate) -> None:
    pipeline = lenet()
    model = on(pipeline)
    cut = Dataflow(device=model.device, folding=model.folding, clock_mhz=100.0, pipelining=1)
    found = estimate(pipeline, cut)
    assert found.clock is not None and priced.clock is not None
    assert found.clock.fmax_mhz > priced.clock.fmax_mhz
    assert found.total["FF"] > priced.total["FF"] and found.total["cycles"] == priced.total["cycles"]
    units = sum(len(job.cuts) for job in cut.plan(place(pipeline.layers())))
    assert found.latency_cycles >= priced.latency_cycles + units > priced.latency_cycles


def test_a_formula_of_the_user_has_one_part() -> None:
    class Mystery(Block):
        pass

    def price_it(jobs: Any, setting: Any) -> dict[str, torch.Tensor]:
        return {name: torch.full((len(jobs),), 7.0, dtype=torch.float64) for name in RESOURCES}

    model = Dataflow(device="xc7z020", folding={}, formulas=dict(FORMULAS) | {Mystery: price_it})
    assert model.parts([Placed("odd", Mystery())]) == [{"other": 7.0}]


def test_clock_and_part_change_rates_and_shares_only() -> None:
    pipeline = lenet()
    slow, quick = estimate(pipeline, on(pipeline)), estimate(pipeline, on(pipeline, fps=2_000, clock_mhz=200))
    assert slow.total == quick.total
    assert quick.fps == 2 * slow.fps
    large = estimate(pipeline, on(pipeline, part="ZCU104"))
    ratio = large.layers["share"] / slow.layers["share"]
    assert ratio.to_numpy() == pytest.approx(53_200 / 230_400)


@pytest.mark.slow
@pytest.mark.parametrize("weight_bits", range(2, 9))
@pytest.mark.parametrize("activation_bits", [2, 3, 5, 8])
def test_the_integer_reference_is_the_differentiable_price(weight_bits: int, activation_bits: int) -> None:
    pipeline = lenet(weight_bits, activation_bits)
    fpga = on(pipeline, fps=5_000)
    placed = place(pipeline.layers())
    bill, reference = fpga.price(placed), fpga.reference(placed)
    assert len(reference) == len(placed) > 11
    for name in RESOURCES:
        assert bill[name].tolist() == [row[name] for row in reference]
        assert all(type(row[name]) is int for row in reference)
    totals = {name: sum(row[name] for row in reference) for name in AREAS}
    totals["cycles"] = max(row["cycles"] for row in reference)
    assert estimate(pipeline, fpga).total == totals
    assert {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()} == totals


def test_a_grouped_convolution_shows_its_groups() -> None:
    from hwcost.quant import QuantConv2d

    net = QuantConv2d(4, 8, 3, groups=2, bias=False, weight_quant=const_weight(bits=4, per_channel=False))
    pipeline = trace(net, torch.zeros(1, 4, 6, 6), input_bits=4)
    (row,) = estimate(pipeline, on(pipeline)).record()["layers"]
    assert row["geometry"] == "2×18×4 ·16"


def test_a_shell_comes_on_top() -> None:
    pipeline = lenet()
    fpga = on(pipeline)
    bare, around = estimate(pipeline, fpga), estimate(pipeline, fpga, shell=shell("pynq"))
    for name in AREAS:
        assert around.total[name] == bare.total[name] + getattr(shell("pynq"), name)
    assert around.layers.equals(bare.layers) and around.total["cycles"] == bare.total["cycles"]


def test_what_saves_nothing_is_said() -> None:
    from hwcost.quant import POW2, StatScale, abs_max

    width = LearnedBits(4, base=0, shape=(3, 1))
    with torch.no_grad():
        width.offset[0] = 0
    quant = IntQuantizer(bits=width, scale=StatScale(abs_max, channel_dim=0, domain=POW2), narrow=True)
    net = QuantLinear(8, 3, bias=False, weight_quant=quant)
    with torch.no_grad():
        net.weight[1:] = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 1])
    found = estimate(pipeline := trace(net, torch.zeros(1, 8), input_bits=4), on(pipeline))
    assert any("weights of 0 to 4 bits share a stream, so all cost 4" in note for note in found.notes)
    assert any("of its weights are zero; that saves nothing in a folded unit" in note for note in found.notes)
    assert estimate(lenet(), on(lenet())).notes == ()


def test_a_model_without_a_part_has_a_table_and_totals() -> None:
    pipeline = lenet()
    found = estimate(pipeline, Generic())
    assert type(found) is PriceTable and "no part" in found.verdict
    assert found.total == {name: amount.item() for name, amount in hardware_cost(pipeline, Generic()).items()}
    assert found.layers["MACs"].sum() == found.total["MACs"] and "PE" not in found.layers
    assert json.loads(json.dumps(found.record()))["total"] == found.total
    with pytest.raises(BadOption, match=r"Generic has no part, so shell='pynq'"):
        estimate(pipeline, Generic(), shell=shell("pynq"))


@pytest.mark.parametrize("name", ["finn", "unrolled", "refolding"])
def test_every_model_on_a_part(name: str) -> None:
    pipeline = lenet()
    folded = on(pipeline)
    models: dict[str, OnPart] = {
        "finn": Finn(device="xc7z020", folding=folded.folding),
        "unrolled": Unrolled(device="xcvu9p", reuse="stream"),
        "refolding": Refolding(1_000, device="xc7z020"),
    }
    model = models[name]
    found = estimate(pipeline, model, shell=shell("pynq"))
    cost = hardware_cost(pipeline, model)
    for resource, amount in cost.items():
        assert found.total[resource] == amount.item() + getattr(shell("pynq"), resource, 0)
    assert found.limits == {area: model.device.capacity[area] for area in AREAS if area in cost}
    assert found.fits == all(found.total[area] <= limit for area, limit in found.limits.items())
    assert found.verdict.startswith("fits" if found.fits else "does NOT fit")
    assert found.latency_cycles >= found.total["cycles"] and found.fps == model.clock_mhz * 1e6 / found.total["cycles"]
    assert ("PE" in found.layers) == (name != "unrolled")
    assert (found.bands["LUT"] is None) == (not found.shadow_prices) == (name != "refolding")
    assert json.loads(json.dumps(found.record()))["total"]["LUT"] == found.total["LUT"]


def test_arguments_that_are_mixed_up() -> None:
    pipeline = lenet()
    model = on(pipeline)
    for function in (estimate, hardware_cost, price):
        with pytest.raises(BadOption, match=r"a QuantLeNet is no traced network; trace it first"):
            function(QuantLeNet(), model)  # type: ignore[arg-type] # on purpose
        with pytest.raises(BadOption, match=r"a str prices no hardware; give a model such as Dataflow"):
            function(pipeline, "xc7z020")  # type: ignore[arg-type]
    with pytest.raises(BadOption, match=r"a QuantLeNet is no traced network"):
        target_fps(QuantLeNet(), 1_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folding": {"fc9": Fold()}}, r"folding\['fc9'\]: the network has no such layer; do you mean 'fc[123]'"),
        ({"multipliers": {"cnv1": "dsp"}}, r"multipliers\['cnv1'\]: .* do you mean 'conv1'"),
        ({"weight_memory": {"xyz": "uram"}}, r"weight_memory\['xyz'\]: .* known names: .*conv1"),
    ],
)
def test_a_choice_for_a_layer_that_does_not_exist_is_refused(options: dict[str, Any], message: str) -> None:
    pipeline = lenet()
    folding = {**target_fps(pipeline, 1_000.0), **options.get("folding", {})}
    styles = {"multipliers": dict.fromkeys((layer.name for layer in pipeline.layers()), "lut"),
              "weight_memory": dict.fromkeys((layer.name for layer in pipeline.layers()), "auto")}  # fmt: skip
    styles |= {name: styles[name] | entry for name, entry in options.items() if name in styles}
    for model in (
        Dataflow(device="xc7z020", folding=folding, **styles),
        Finn(device="xc7z020", folding=folding, **styles),
    ):
        with pytest.raises(BadOption, match=message):
            hardware_cost(pipeline, model)
    if "folding" not in options:
        with pytest.raises(BadOption, match=message):
            hardware_cost(pipeline, Refolding(1_000.0, device="xc7z020", **styles))
    with pytest.raises(BadOption, match=r"reuse\['fc9'\]: .*'fc[123]'"):
        hardware_cost(pipeline, Unrolled(device="xc7z020", reuse={"fc9": 2}))


@pytest.mark.parametrize(
    ("part", "size", "writable", "fits"),
    [
        ("ZCU104", 1024, True, False),
        ("ZCU104", 1024, False, True),
        ("xc7z020", 512, True, False),
        ("ZCU104", 512, True, True),
    ],
)
def test_weights_that_are_written_need_luts_that_can_be_ram(part: str, size: int, writable: bool, fits: bool) -> None:
    """A constant ROM may be in any slice, RAM in slices of type M alone."""
    net = nn.Sequential(QuantLinear(size, size, weight_quant=const_weight(bits=8)))
    pipeline = trace(net, torch.zeros(1, size), input_bits=8)
    model = Dataflow(device=part, folding={"0": Fold(4, 4)}, weight_memory="lutram", writable=writable)
    found = estimate(pipeline, model)
    assert found.total["LUTRAM"] == (size * size * 8 / 64 if writable else 0)
    assert found.fits == fits and ("too many LUTRAM" in found.verdict) == (not fits)
    assert found.record()["available"]["LUTRAM"] == device(part).LUTRAM


def test_a_budget_of_lutram_drives_the_widths() -> None:
    net = nn.Sequential(QuantLinear(256, 64, weight_quant=learned_weight(bits=8)))
    pipeline = trace(net, torch.zeros(1, 256), input_bits=8)
    model = Dataflow(device="xc7z020", folding={"0": Fold(4, 4)}, weight_memory="lutram", writable=True)
    used = hardware_cost(pipeline, model)
    Budget({"LUTRAM": 100.0}).penalty(used).backward()
    (offset,) = [p for name, p in net.named_parameters() if name.endswith("offset")]
    assert offset.grad is not None and float(offset.grad.sum()) > 0
