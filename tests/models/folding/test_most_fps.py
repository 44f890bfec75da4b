"""The fastest pipeline within a budget, against trying everything."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from accelerated import traced
from block_strategies import dense
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import BadFolding, BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Block, Layer, LayerSpec, MatVec, Signal, Thresholds
from hwcost.models import AREAS, Dataflow, place
from hwcost.models.folding.most_fps import Design, least_share, most_fps
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.resources import HasLayers


class Chain:
    """Units with activations, by hand."""

    def __init__(self, sizes: list[tuple[int, int, int]]) -> None:
        signal, self._layers = Signal(range=integers(4, signed=False), shape=(1,)), []
        for index, (rows, cols, vectors) in enumerate(sizes):
            unit = dense(rows, cols, vectors)
            act = Thresholds(channels=rows, vectors=vectors, input=unit.acc, output=integers(2, signed=False))
            blocks: tuple[Block, ...] = (unit, act)
            output = Signal(range=act.output, shape=(1,))
            spec = LayerSpec(output=output, blocks=blocks)
            self._layers.append(Layer(name=f"l{index}", kind="test", inputs=(signal,), spec=spec))
            signal = output

    def layers(self) -> list[Layer]:
        return self._layers


def rebuilt(chain: HasLayers, design: Design, part: str) -> dict[str, float]:
    model = Dataflow(
        device=part,
        folding=design.folding,
        multipliers=design.multipliers,
        weight_memory=design.weight_memory,
    )
    bill = model.price(place(chain.layers()))
    return {name: float(bill[name].max() if name == "cycles" else bill[name].sum()) for name in (*AREAS, "cycles")}


def fastest_by_trying(chain: Chain, budget: dict[str, float], part: str) -> int | None:
    """The least interval over every combination of folds, multipliers and memories."""
    placed = place(chain.layers())
    units = [item for item in placed if isinstance(item.block, MatVec)]
    styles = list(product(("lut", "dsp"), ("lutram", "bram18")))
    picks = [[(fold, *style) for fold in MatVecFormula().folds(item.block) for style in styles] for item in units]
    best: int | None = None
    for combination in product(*picks):
        names = [item.layer for item in units]
        model = Dataflow(
            device=part,
            folding=dict(zip(names, (pick[0] for pick in combination), strict=True)),
            multipliers=dict(zip(names, (pick[1] for pick in combination), strict=True)),
            weight_memory=dict(zip(names, (pick[2] for pick in combination), strict=True)),
        )
        try:
            bill = model.price(placed)
        except BadFolding:  # an activation that cannot keep up with so fast a unit
            continue
        if all(float(bill[area].sum()) <= limit for area, limit in budget.items()):
            cycles = int(bill["cycles"].max())
            best = cycles if best is None else min(best, cycles)
    return best


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(st.just(2), st.sampled_from((3, 4)), st.sampled_from((1, 2))), min_size=1, max_size=2),
    st.integers(150, 600),
    st.integers(0, 12),
    st.integers(0, 6),
)
def test_as_fast_as_trying_everything(sizes: list[tuple[int, int, int]], lut: int, dsp: int, bram: int) -> None:
    chain, part = Chain(sizes), "xc7z020"
    budget = {"LUT": float(lut), "FF": 5000.0, "DSP": float(dsp), "BRAM18": float(bram), "URAM": 0.0}
    best = fastest_by_trying(chain, budget, part)
    if best is None:
        with pytest.raises(BadFolding, match="does not fit"):
            most_fps(chain, device=part, budget=budget)
        return
    design = most_fps(chain, device=part, budget=budget)
    used = rebuilt(chain, design, part)
    assert design.optimal and design.folding.interval_cycles == best
    assert used["cycles"] <= best and all(used[area] <= limit for area, limit in budget.items())
    assert {area: used[area] for area in AREAS} == dict(design.used)
    assert design.fps == pytest.approx(100e6 / best)


def test_a_larger_budget_is_never_slower() -> None:
    chain = Chain([(64, 27, 100), (64, 576, 64), (10, 64, 1)])
    rates = [most_fps(chain, device="ZCU104", budget={"LUT": lut}).fps for lut in (3_000, 8_000, 30_000, 200_000)]
    assert rates == sorted(rates) and rates[0] < rates[-1]


def test_dsp_help_where_luts_are_short() -> None:
    chain = Chain([(64, 576, 64)])
    budget = {"LUT": 5_000.0}
    only_lut = most_fps(chain, device="ZCU104", budget=budget, multipliers="lut")
    both = most_fps(chain, device="ZCU104", budget=budget)
    assert both.fps > only_lut.fps and both.used["DSP"] > 0 == only_lut.used["DSP"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clock_mhz": 0}, "clock_mhz=0"),
        ({"budget": {"LUTs": 5}}, "name any of LUT"),
        ({"budget": {"LUT": -5}}, r"budget\['LUT'\]=-5: give a finite number of at least 0"),
        ({"budget": {"LUT": float("inf")}}, "LUT.*=inf: give a finite number"),
        ({"max_stream_bits": 0}, "max_stream_bits=0"),
        ({"multipliers": "auto"}, "multipliers='auto'"),
        ({"weight_memory": "auto"}, "weight_memory='auto'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        most_fps(Chain([(4, 8, 1)]), device="xc7z020", **options)


def test_what_does_not_fit_says_what_is_short() -> None:
    with pytest.raises(BadFolding, match=r"it needs at least \d+ LUT of 50; take a larger part"):
        most_fps(Chain([(4, 8, 1)]), device="xc7z020", budget={"LUT": 50})


def test_weights_in_memory_without_contents_are_a_remedy_where_a_part_has_some() -> None:
    chain = Chain([(64, 576, 64)])
    tight = {"LUT": 1_500, "BRAM18": 2}
    with pytest.raises(BadFolding, match=r"; take a larger part, or let its URAM hold weights .*--writable"):
        most_fps(chain, device="ZCU104", budget=tight)
    assert most_fps(chain, device="ZCU104", budget=tight, writable=True).used["URAM"] > 0
    with pytest.raises(BadFolding, match=r"; take a larger part$"):
        most_fps(chain, device="xc7z020", budget=tight)


@pytest.mark.slow
def test_a_small_design_of_a_given_rate() -> None:
    chain = Chain([(64, 576, 64), (64, 576, 16)])
    roomy = least_share(chain, 2_000, device="ZCU104")
    used = rebuilt(chain, roomy, "ZCU104")
    assert used["cycles"] <= 50_000 == roomy.folding.interval_cycles and roomy.fps == 2_000
    assert {area: used[area] for area in AREAS} == dict(roomy.used)
    # few LUTs and many DSPs: multipliers move
    short = least_share(chain, 20_000, device="ZCU104", budget={"LUT": 8_000, "DSP": 1_000})
    assert short.used["LUT"] <= 8_000 and short.used["DSP"] > 0
    with pytest.raises(BadFolding, match=r"the slowest block takes at least [\d,]+ cycles"):
        least_share(chain, 50e6, device="ZCU104")
    with pytest.raises(BadFolding, match=r"needs at least [\d,]+ LUT of 400; ask for at most [\d.]+ frames/s"):
        least_share(chain, 20_000, device="ZCU104", budget={"LUT": 400})
    with pytest.raises(BadOption, match="fps=0"):
        least_share(chain, 0, device="ZCU104")


NAMED_RATE = re.compile(r"ask for at most ([\d,.]+) frames/s")


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from((4, 12, 30))] * 2, st.integers(1, 9)), min_size=1, max_size=3), st.data())
def test_the_rate_that_a_refusal_names_works(sizes: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Be it too fast for a block, or for what the budget has."""
    chain = Chain(sizes)
    largest = most_fps(chain, device="xc7z020").used["LUT"]
    budget = {"LUT": data.draw(st.floats(0.6, 1.0)) * largest}
    with pytest.raises(BadFolding) as refused:
        least_share(chain, 200e6, device="xc7z020", clock_mhz=150.0, budget=budget)
    if (named := NAMED_RATE.search(str(refused.value))) is None:
        assert "however slow" in str(refused.value)
        return
    rate = float(named[1].replace(",", ""))
    found = least_share(chain, rate, device="xc7z020", clock_mhz=150.0, budget=budget)
    assert found.fps >= rate and found.used["LUT"] <= budget["LUT"]


def test_constant_weights_are_not_put_into_ram_without_contents() -> None:
    chain = Chain([(64, 576, 64)])
    memories = {
        writable: set(
            most_fps(
                chain, device="ZCU104", budget={"LUT": 9000, "BRAM18": 4}, writable=writable
            ).weight_memory.values()
        )
        for writable in (False, True)
    }
    assert "uram" in memories[True] and "uram" not in memories[False]


def test_a_search_keeps_within_the_luts_that_can_be_ram() -> None:
    chain = Chain([(256, 256, 4)])
    few_blocks = most_fps(chain, device="xc7z020", writable=True, budget={"BRAM18": 4})
    few_rams = most_fps(chain, device="xc7z020", writable=True, budget={"LUTRAM": 2_000})
    assert few_rams.used["LUTRAM"] <= 2_000 < few_blocks.used["LUTRAM"]


@pytest.mark.parametrize("lut", [1_200, 1_800, 6_000])
def test_what_it_says_is_used_is_the_price_of_the_whole_pipeline(lut: int) -> None:
    pipeline = traced("residual")
    design = most_fps(pipeline, device="ZCU104", budget={"LUT": lut})
    used = rebuilt(pipeline, design, "ZCU104")
    assert {area: used[area] for area in AREAS} == dict(design.used)
    assert used["LUT"] <= lut
    at = least_share(pipeline, design.fps, device="ZCU104", budget={"LUT": lut})
    used = rebuilt(pipeline, at, "ZCU104")
    assert {area: used[area] for area in AREAS} == dict(at.used) and used["LUT"] <= lut
