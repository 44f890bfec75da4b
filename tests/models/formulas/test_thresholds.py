"""Quantized activations: a comparator and a memory per output bit, or one per threshold."""

from __future__ import annotations

import pytest

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Thresholds,
)
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.formulas.memory import bram18, distributed_ram
from hwcost.models.formulas.thresholds import FREE, HALVED, MOST_LUTRAM, ThresholdsFormula

LAW = ThresholdsFormula()


def job(channels: int, compared: int, out: int, pe: int) -> Job:
    block = Thresholds(
        channels=channels, vectors=3, input=integers(compared, signed=True), output=integers(out, signed=False)
    )
    return Job("act", block, Fold(pe))


def setting(thresholds: str, flow: str = "rtl", writable: bool = False) -> Setting:
    return Setting("DSP48E2", thresholds, flow, "shared", writable)


@pytest.mark.parametrize(("channels", "pe", "out"), [(8, 2, 3), (64, 1, 4), (4, 4, 2), (300, 2, 3)])
def test_each_stage_of_a_search_stores_twice_as_much_as_the_one_before(channels: int, pe: int, out: int) -> None:
    luts = blocks = 0
    for stage in range(out):
        depth = channels // pe * 2**stage
        if depth > MOST_LUTRAM:
            blocks += pe * bram18(EXACT, 12, depth, "DSP48E2")
        elif depth > 1:
            luts += pe * distributed_ram(EXACT, 12, depth, 2, FABRICS["DSP48E2"])[0]
    found = LAW.exact(job(channels, 12, out, pe), setting("search", writable=True))
    assert (found.LUT["thresholds"], found.BRAM18) == (luts, blocks)
    assert found.cycles == channels // pe * 3
    constants = setting("search").constants
    assert found.LUT["comparators"] == EXACT.ceil(constants["search_bit"] * pe * out * 12)


def test_parallel_thresholds_lie_in_one_wide_memory() -> None:
    written = setting("parallel", writable=True)
    shallow, deep = (LAW.exact(job(channels, 12, 3, 2), written) for channels in (8, 200))
    assert (
        shallow.LUT["thresholds"] == distributed_ram(EXACT, 2 * 7 * 12, 4, 2, FABRICS["DSP48E2"])[0]
        and shallow.BRAM18 == 0
    )
    assert deep.LUT["thresholds"] == 0 and deep.BRAM18 == bram18(EXACT, 2 * 7 * 12, 100, "DSP48E2")
    alone = LAW.exact(job(2, 12, 3, 2), written)
    assert alone.LUT["thresholds"] == alone.BRAM18 == 0  # one word is wires


@pytest.mark.parametrize(("channels", "out"), [(8, 1), (16, 1), (32, 1), (4, 3), (8, 3), (64, 2)])
def test_constants_of_few_channels_are_looked_up_by_the_comparator(channels: int, out: int) -> None:
    fixed, written = (LAW.exact(job(channels, 12, out, 1), setting("search", writable=one)) for one in (False, True))
    half = setting("search").constants["table_bit"]
    each = {depth: 0.0 if depth <= FREE else half if depth <= HALVED else 1.0 for depth in (4, 8, 16, 32, 64, 128)}
    depths = [depth for stage in range(out) if (depth := channels * 2**stage) <= MOST_LUTRAM]
    assert fixed.LUT["thresholds"] == EXACT.ceil(12 * sum(each[depth] for depth in depths))
    assert fixed.LUTRAM == 0 < written.LUTRAM == written.LUT["thresholds"]
    assert fixed.FF == written.FF and fixed.BRAM18 == written.BRAM18


def test_constants_of_an_hls_unit_are_absorbed_unless_they_can_be_written() -> None:
    fixed, written = (LAW.exact(job(16, 12, 2, 2), setting("parallel", "hls", writable)) for writable in (False, True))
    assert fixed.LUT["thresholds"] == 0 < written.LUT["thresholds"] == written.LUTRAM
