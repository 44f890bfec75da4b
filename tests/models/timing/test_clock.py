"""The clock of a pipeline: its slowest unit, what is missing, and slopes to widths."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hwcost.graph.blocks import ChannelSum
from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.timing.clock import delays, pipeline_clock
from hwcost.models.timing.delays import families
from hwcost.models.timing.registers import longest

FOUND = families()["DSP48E2"]
RTL = Setting("DSP48E2", "search", "rtl", "shared")


def unit(name: str, simd: int, bits: torch.Tensor | None = None) -> Job:
    weight = integers(4, signed=True)
    block = MatVec(
        rows=16, cols=32, weight=weight if bits is None else replace(weight, bits=bits),
        input=integers(4, signed=False), acc=integers(13, signed=True),
    )  # fmt: skip
    return Job(layer=name, block=block, fold=Fold(2, simd))


def test_the_slowest_unit_limits_the_clock() -> None:
    found = pipeline_clock([unit("a", 2), unit("b", 16), unit("c", 4)], RTL, FOUND)
    assert found is not None
    assert found.slowest.layer == "b"
    assert found.fmax_mhz == pytest.approx(1e3 / longest(unit("b", 16), RTL, FOUND))
    assert found.record()["limited_by"] == "b"


def test_what_misses_a_clock_is_named_with_what_is_missing() -> None:
    found = pipeline_clock([unit("a", 2), unit("b", 16)], RTL, FOUND)
    assert found is not None
    assert found.shortfall(found.fmax_mhz - 1) == ""
    assert found.shortfall(found.fmax_mhz * 1.5).split(":")[0].endswith("MHz is in doubt")
    told = found.shortfall(1000.0)
    assert told.startswith("1000 MHz is not reachable: b (MatVec) takes")
    assert "of 1.0 with no registers on its path" in told and told.endswith("and 3 more paths")


def test_a_kind_without_law_is_told() -> None:
    wire = integers(4, signed=False)
    block = ChannelSum(channels=4, vectors=4, input=wire, output=integers(6, signed=False))
    other = Job(layer="mean", block=block, fold=Fold())
    found = pipeline_clock([unit("a", 2), other], RTL, FOUND)
    assert found is not None and found.untimed == ("mean (ChannelSum)",)
    assert pipeline_clock([other], RTL, FOUND) is None
    assert delays([other], RTL, FOUND).tolist() == [0.0]


def test_delays_are_those_of_whole_widths_with_a_slope_between_them() -> None:
    bits = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    low, high = (delays([unit("a", 4, one)], RTL, FOUND) for one in bits)
    assert float(high.detach()) == pytest.approx(longest(unit("a", 4), RTL, FOUND))
    (slope,) = torch.autograd.grad(low.sum(), bits)
    assert slope[1] == 0 and 0 < float(slope[0])
    middle = float(delays([unit("a", 4, torch.tensor(3.5, dtype=torch.float64))], RTL, FOUND))
    assert float(low.detach()) < middle < float(high.detach())
