"""What connects units: converters and FIFOs, as synthesized, exact, and with a live gradient."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from block_strategies import bits, dense, wire
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Concat,
    LabelSelect,
    Link,
)
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.formula import Adapter
from hwcost.models.formulas.streams import ConcatFormula, LabelSelectFormula, LinkFormula, shift_registers

LINK = LinkFormula()


RTL = Setting("DSP48E2", "search", "rtl", "shared")


ADAPTERS = st.builds(
    Adapter, st.integers(1, 40), st.integers(1, 40), st.sampled_from((0, 3, 40, 257, 5000)), st.booleans()
)


def link_job(width: Tensor, adapter: Adapter) -> Job:
    block = Link(source=None, sink=dense(4, 4), wire=wire(width))
    return Job("link", block, Fold(), "lut", "auto", adapter)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(ADAPTERS, st.integers(1, 16), st.sampled_from(("rtl", "hls")))
def test_a_link_is_exact_monotone_and_has_a_live_gradient(adapter: Adapter, width: int, flow: str) -> None:
    setting = Setting("DSP48E2", "search", flow, "shared")
    leaf = bits(width)

    def amounts(more: float) -> dict[str, float]:
        with torch.no_grad():
            return {name: float(a) for name, a in LINK([link_job(bits(width + more), adapter)], setting).items()}

    here, half, one, wide = (amounts(more) for more in (0, 0.5, 1, 12))
    assert here == LINK.reference(link_job(leaf, adapter), setting)
    for name, amount in LINK([link_job(leaf, adapter)], setting).items():
        assert half[name] == pytest.approx((here[name] + one[name]) / 2, abs=1e-9)
        assert wide[name] >= here[name]
        slope = torch.zeros(())
        if amount.requires_grad:
            (slope,) = torch.autograd.grad(amount.sum(), leaf, retain_graph=True, materialize_grads=True)
        assert slope > 0 or (slope == 0 and wide[name] == here[name])


# Yosys 0.70, synth_xilinx: (bits, words per wide word) -> LUT, FF
DOWN = {(4, 2): (10, 10), (4, 8): (41, 36), (8, 16): (134, 133), (16, 16): (254, 261), (2, 64): (142, 135)}


UP = {(4, 2): (5, 10), (4, 8): (10, 36), (8, 16): (12, 133), (16, 16): (12, 261), (2, 64): (12, 135)}


@pytest.mark.parametrize("up", [False, True])
def test_converters_as_synthesized(up: bool) -> None:
    for (width, words), (lut, ff) in (UP if up else DOWN).items():
        adapter = Adapter(1, words) if up else Adapter(words, 1)
        found = LINK.reference(link_job(bits(width), adapter), RTL)
        assert abs(found["LUT"] - lut) <= 12 and abs(found["FF"] - ff) <= 5


def test_equal_words_need_no_converter() -> None:
    found = LINK.reference(link_job(bits(8), Adapter(4, 4)), RTL)
    assert set(found.values()) == {0}


@pytest.mark.parametrize(("depth", "luts"), [(1, 1), (32, 1), (33, 2), (128, 4), (129, 6), (256, 9)])
def test_shift_registers_and_what_chooses_between_groups_of_four(depth: int, luts: int) -> None:
    assert shift_registers(depth) == luts


def test_a_label_compares_every_element_and_a_join_takes_streams_in_turn() -> None:
    label = LabelSelect(channels=10, vectors=3, input=integers(8, signed=True), output=integers(4, signed=False))
    assert [LabelSelectFormula().cycles(label, Fold(pe)) for pe in (1, 2, 10)] == [30, 15, 3]
    join = Concat(streams=(4, 6), vectors=3, output=integers(8, signed=True))
    assert ConcatFormula().folds(join) == [Fold(1), Fold(2)] and ConcatFormula().cycles(join, Fold(2)) == 15
    found = ConcatFormula().exact(Job("join", join, Fold(2)), RTL)
    # one LUT per bit chooses among up to four streams
    assert found.LUT["multiplexers"] == ceil(RTL.constants["concat_bit"] * 2 * 8)
    counted = RTL.constants["stream_control"] + 2 * RTL.constants["round_control"]  # the words of a stream, up to 3
    assert found.LUT["control"] == ceil(counted)
