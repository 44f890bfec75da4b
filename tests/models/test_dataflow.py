"""The folded pipeline: exact at integers, monotone, and a gradient that never dies."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from block_strategies import COORDINATES, bits, build, dense, geometries
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hwcost import estimate, trace
from hwcost.errors import BadFolding, BadOption, UnknownBlock, UnknownDevice
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, MatVec, Thresholds
from hwcost.models import FORMULAS, RESOURCES, Dataflow, Fold, Formula, HardwareModel, Placed, place
from hwcost.models.device import devices
from hwcost.models.folding.folds import Folding
from hwcost.quant import QuantConv2d, const_weight


def can_be_built(options: dict[str, Any]) -> bool:
    if options["device"] == "ecp5-85k" and options["flow"] != "rtl":  # no unit of HLS was measured for it
        return False
    return options["weight_memory"] != "uram" or options["writable"] or options["device"] == "VCK190"


OPTIONS = st.fixed_dictionaries(
    {
        "multipliers": st.sampled_from(("lut", "dsp")),
        "weight_memory": st.sampled_from(("auto", "lutram", "bram18", "uram", "external")),
        "weight_banks": st.sampled_from(("shared", "per_pe")),
        "thresholds": st.sampled_from(("search", "parallel")),
        "flow": st.sampled_from(("rtl", "hls")),
        "device": st.sampled_from(("xc7z020", "ZCU104", "VCK190", "ecp5-85k")),
        "writable": st.booleans(),
    }
).filter(can_be_built)
WIDTHS = st.lists(st.integers(1, 16), min_size=4, max_size=4)
GAPS = st.lists(st.floats(0, 4), min_size=4, max_size=4)


def placed(g: dict[str, Any], widths: list[float]) -> tuple[list[Placed], list[torch.Tensor]]:
    """One block of the geometry; a signed weight has 2 bits at least."""
    floor = 2 if g["kind"] in ("matvec", "depthwise") else 1
    leaves = [bits(max(width, floor)) for width in widths[: COORDINATES[g["kind"]]]]
    return [Placed("unit", build(g, leaves))], leaves


def folded(g: dict[str, Any], options: dict[str, Any], choice: int) -> Dataflow:
    """A model with the `choice`-th legal fold for the block."""
    (item,), _ = placed(g, [4.0] * 4)
    formula = FORMULAS[type(item.block)]
    assert isinstance(formula, Formula)
    folds = formula.folds(item.block)
    folding = {"unit": folds[choice % len(folds)]} if isinstance(item.block, MatVec) else {}
    return Dataflow(folding=folding, **options)


def amounts(model: Dataflow, items: list[Placed]) -> list[float]:
    bill = model.price(items)
    return [float(bill[name].detach()) for name in RESOURCES]


@settings(max_examples=150, deadline=None)
@given(geometries(), OPTIONS, st.integers(0, 10_000), WIDTHS)
def test_exact_at_integers(g: dict[str, Any], options: dict[str, Any], choice: int, widths: list[int]) -> None:
    model = folded(g, options, choice)
    items, _ = placed(g, widths)
    (reference,) = model.reference(items)
    assert [float(reference[name]) for name in RESOURCES] == amounts(model, items)
    assert all(isinstance(value, int) and value >= 0 for value in reference.values())


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(geometries(), OPTIONS, st.integers(0, 10_000), st.lists(st.floats(1, 12), min_size=4, max_size=4), GAPS)
def test_non_decreasing_and_finite(
    g: dict[str, Any], options: dict[str, Any], choice: int, low: list[float], gaps: list[float]
) -> None:
    model = folded(g, options, choice)
    less = amounts(model, placed(g, low)[0])
    more = amounts(model, placed(g, [a + b for a, b in zip(low, gaps, strict=True)])[0])
    for name, a, b in zip(RESOURCES, less, more, strict=True):
        assert a <= b * (1 + 1e-12) + 1e-9, name
        assert torch.isfinite(torch.tensor([a, b])).all()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(geometries(), OPTIONS, st.integers(0, 10_000), WIDTHS)
def test_between_two_integers_lies_the_line(
    g: dict[str, Any], options: dict[str, Any], choice: int, widths: list[int]
) -> None:
    model = folded(g, options, choice)
    start = [float(max(w, 2)) for w in widths]
    ends = [amounts(model, placed(g, [start[0] + step, *start[1:]])[0]) for step in (0, 0.25, 1)]
    for low, between, high in zip(*ends, strict=True):
        assert between == pytest.approx(0.75 * low + 0.25 * high, rel=1e-12)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(geometries(), OPTIONS, st.integers(0, 10_000), WIDTHS)
def test_gradient_is_never_negative_and_never_dead(
    g: dict[str, Any], options: dict[str, Any], choice: int, widths: list[int]
) -> None:
    model = folded(g, options, choice)
    items, leaves = placed(g, widths)
    bill = model.price(items)
    for name in RESOURCES:
        slopes = [torch.zeros(()) for _ in leaves]
        if bill[name].requires_grad:
            found = torch.autograd.grad(bill[name].sum(), leaves, allow_unused=True, retain_graph=True)
            slopes = [torch.zeros(()) if slope is None else slope for slope in found]
        assert all(torch.isfinite(slope) and slope >= 0 for slope in slopes), name
        here = float(bill[name].detach())
        for index, slope in enumerate(slopes):
            wider = [float(leaf.detach()) for leaf in leaves]
            wider[index] += 12  # a plateau: the next bit may be free, but not the next dozen
            there = float(model.price(placed(g, wider)[0])[name].detach())
            assert slope > 0 or there == here, f"{name}: 12 more bits cost {there - here}, but the gradient is 0"


def _chain() -> list[Placed]:
    items = []
    for index, (rows, cols) in enumerate(((64, 27), (64, 576), (10, 64))):
        unit = dense(rows, cols, 4)
        output = integers(3, signed=False)
        items.append(Placed(f"l{index}", unit))
        items.append(Placed(f"l{index}", Thresholds(channels=rows, vectors=4, input=unit.acc, output=output)))
    return items


FOLDS = {"l0": Fold(8, 3), "l1": Fold(4, 16), "l2": Fold(2, 8)}


def test_price_follows_the_order_of_the_question() -> None:
    items = _chain()
    model = Dataflow(device="xc7z020", folding=FOLDS)
    there, back = model.price(items), model.price(items[::-1])
    for name in RESOURCES:
        assert there[name].tolist() == back[name].flip(0).tolist()
        assert there[name].dtype == torch.float64


def test_other_blocks_keep_up_with_the_slowest_unit() -> None:
    cycles = Dataflow(device="xc7z020", folding=FOLDS).price(_chain())["cycles"]
    units = cycles[::2]
    assert cycles.max() == units.max() == 64 // 4 * (576 // 16) * 4


def test_one_call_prices_every_block_as_if_it_were_alone() -> None:
    items = _chain()
    model = Dataflow(device="xc7z020", folding=FOLDS)
    together = model.price(items)
    for index in (0, 2, 4):
        alone = model.price([items[index]])
        assert {name: float(alone[name]) for name in RESOURCES} == {
            name: float(together[name][index]) for name in RESOURCES
        }


def test_nothing_costs_nothing() -> None:
    bill = Dataflow(device="xc7z020", folding={}).price([])
    assert {name: tuple(tensor.shape) for name, tensor in bill.items()} == {name: (0,) for name in RESOURCES}


def test_dataflow_is_a_hardware_model() -> None:
    assert isinstance(Dataflow(device="xc7z020", folding={}), HardwareModel)


class Mystery(Block):
    """A block that no model knows."""


def test_unknown_block_names_layer_and_ways_out() -> None:
    with pytest.raises(UnknownBlock, match=r"odd: .*Mystery block; pass formulas=.*or describe the layer"):
        Dataflow(device="xc7z020", folding={}).price([Placed("odd", Mystery())])


def test_a_formula_of_the_user_prices_a_block_of_the_user() -> None:
    def price(jobs: Any, setting: Any) -> dict[str, torch.Tensor]:
        return {name: torch.full((len(jobs),), 7.0, dtype=torch.float64) for name in RESOURCES}

    model = Dataflow(device="xc7z020", folding={}, formulas=dict(FORMULAS) | {Mystery: price})
    assert model.price([Placed("odd", Mystery())])["LUT"].tolist() == [7.0]


def test_a_formula_that_forgets_a_resource_is_refused() -> None:
    model = Dataflow(device="xc7z020", folding={}, formulas=dict(FORMULAS) | {Mystery: lambda jobs, setting: {}})
    with pytest.raises(BadOption, match="odd: the formula of Mystery must return 'LUT'"):
        model.price([Placed("odd", Mystery())])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "xc9"}, UnknownDevice, "xc9"),
        ({"clock_mhz": 0}, BadOption, "clock_mhz=0"),
        ({"clock_mhz": float("inf")}, BadOption, "clock_mhz=inf"),
        ({"clock_mhz": 100e6}, BadOption, "clock_mhz=100000000.0.*at most 10000"),
        ({"folding": {"fc": (4, 4)}}, BadOption, r"folding\['fc'\]=\(4, 4\): give a Fold"),
        ({"multipliers": "DSP"}, BadOption, "multipliers='DSP'"),
        ({"weight_memory": {"fc": "flash"}}, BadOption, "weight_memory='flash'"),
        ({"weight_banks": "none"}, BadOption, "weight_banks='none'"),
        ({"thresholds": "none"}, BadOption, "thresholds='none'"),
        ({"flow": "vhdl"}, BadOption, "flow='vhdl'"),
        ({"device": "ZCU104", "weight_memory": "uram"}, BadOption, "no initial contents.*give writable=True"),
        ({"device": "KV260", "weight_memory": {"fc": "uram"}}, BadOption, "no initial contents"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Dataflow(**{"device": "xc7z020", "folding": {}} | options)


@pytest.mark.parametrize(
    ("folding", "message"),
    [
        ({}, "fc: no fold"),
        ({"fc": Fold(3, 1)}, "fc: PE=3 does not divide"),
        ({"fc": Fold(1, 5)}, "fc: SIMD=5 does not divide"),
        ({"fc": Fold(1, 1, parallel_window=True)}, "fc: parallel_window"),
    ],
)
def test_bad_folds(folding: dict[str, Fold], message: str) -> None:
    with pytest.raises(BadFolding, match=message):
        Dataflow(device="xc7z020", folding=folding).price([Placed("fc", dense(16, 64))])


def test_a_choice_per_layer_must_name_every_layer() -> None:
    model = Dataflow(device="xc7z020", folding={"fc": Fold()}, multipliers={"other": "dsp"})
    with pytest.raises(BadOption, match="fc: multipliers names no choice"):
        model.price([Placed("fc", dense(16, 64))])


@pytest.mark.parametrize(("part", "writable"), [("ZCU104", True), ("VCK190", False), ("VCK190", True)])
def test_weights_in_ultra_ram_that_can_hold_them(part: str, writable: bool) -> None:
    items = [Placed("fc", dense(64, 1024))]
    model = Dataflow(device=part, folding={"fc": Fold(4, 4)}, weight_memory="uram", writable=writable)
    assert float(model.price(items)["URAM"]) >= 1


def wide_unit(clock_mhz: float, pipelining: int | str) -> tuple[Dataflow, list[Placed]]:
    block = MatVec(
        rows=32,
        cols=64,
        weight=integers(4, signed=True),
        input=integers(4, signed=False),
        acc=integers(14, signed=True),
    )
    items = [Placed("fc", block)]
    model = Dataflow(device="ZCU104", folding={"fc": Fold(4, 16)}, clock_mhz=clock_mhz, pipelining=pipelining)
    return model, items


def test_registers_follow_the_clock_and_are_priced() -> None:
    plain, items = wide_unit(300.0, 0)
    slow, fast = wide_unit(20.0, "auto")[0], wide_unit(300.0, "auto")[0]
    bills = [model.price(items) for model in (plain, slow, fast)]
    cuts = [model.plan(items)[0].cuts for model in (plain, slow, fast)]
    assert cuts[0] == cuts[1] == () and len(cuts[2]) > 1
    assert float(bills[0]["FF"]) == float(bills[1]["FF"]) < float(bills[2]["FF"])
    assert float(bills[0]["cycles"]) == float(bills[2]["cycles"])
    assert fast.reference(items)[0]["FF"] == float(bills[2]["FF"])
    assert plain.non_decreasing and not fast.non_decreasing


def test_registers_make_the_clock_faster_and_the_path_shorter() -> None:
    found = [wide_unit(300.0, pipelining)[0].clock(wide_unit(300.0, 0)[1]) for pipelining in (0, 1, "auto")]
    clocks = [one.fmax_mhz for one in found if one is not None]
    assert clocks == sorted(clocks) and clocks[0] < clocks[1] < clocks[2]
    model, items = wide_unit(300.0, 1)
    assert 1e3 / float(model.delays(items)[0]) == pytest.approx(clocks[1])


def test_a_family_without_delays_has_no_clock_and_no_registers() -> None:
    items = wide_unit(300.0, 0)[1]
    versal = next(part for part in devices() if part.dsp_kind == "DSP58")
    assert Dataflow(device=versal, folding={"fc": Fold(4, 16)}).clock(items) is None
    with pytest.raises(BadOption, match=r"no delays are known of its family, .*; give pipelining=0"):
        Dataflow(device=versal, folding={"fc": Fold(4, 16)}, pipelining=1).plan(items)
    assert Dataflow(device="ZCU104", folding={"fc": Fold(4, 16)}, flow="hls").clock(items) is None


def test_a_window_slower_than_its_unit_sets_the_interval() -> None:
    """A unit of 64 cycles behind a window that needs one cycle for each of its 10 x 10 pixels, as the RTL does.

    The RTL of this window is simulated in tests/build/test_window.py; FINN's own waits two cycles more, 102.
    """
    layer = QuantConv2d(4, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=4))
    pipeline = trace(nn.Sequential(layer), torch.zeros(1, 4, 8, 8), input_bits=4)
    model = Dataflow(device="xc7z020", folding={"0": Fold(pe=4, simd=36)})
    jobs = model.plan(list(place(pipeline.layers())))
    cycles = {
        type(job.block).__name__: float(price)
        for job, price in zip(jobs, model.price_jobs(jobs)["cycles"], strict=True)
    }
    assert cycles["MatVec"] == 64 < cycles["Window"] == 100 == float(estimate(pipeline, model).total["cycles"])
    with pytest.raises(BadFolding, match="above the interval of 64 that the pipeline keeps"):
        Dataflow(device="xc7z020", folding=Folding({"0": Fold(pe=4, simd=36)}, 64)).plan(list(place(pipeline.layers())))


def test_shared_weight_memories_of_hls_are_block_ram() -> None:
    """6 words of 864 bits: 24 RAMB18 of 36 bits, as in a published build (Vivado 2023.2)."""
    layer = QuantConv2d(12, 24, 3, bias=False, weight_quant=const_weight(bits=2))
    pipeline = trace(nn.Sequential(layer), torch.zeros(1, 12, 8, 8), input_bits=2)
    folding = {"0": Fold(pe=24, simd=18)}
    found = {
        (flow, banks): int(
            estimate(pipeline, Dataflow(device="xczu7ev", folding=folding, flow=flow, weight_banks=banks))
            .layers["BRAM18"]
            .sum()
        )
        for flow, banks in (("hls", "shared"), ("hls", "per_pe"), ("rtl", "shared"))
    }
    assert found == {("hls", "shared"): 24, ("hls", "per_pe"): 0, ("rtl", "shared"): 0}
