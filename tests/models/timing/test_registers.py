"""Choice of registers: as few as a clock asks for, as late as they may stand, and no more than help."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec, Pool
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.formulas.stages import places
from hwcost.models.timing.delays import families
from hwcost.models.timing.paths import Line, Path, delay
from hwcost.models.timing.registers import cuts_for, late, line, longest, most_cuts, pipelined

FOUND = families()["DSP48E2"]
RTL = Setting("DSP48E2", "search", "rtl", "shared")
BLOCK = MatVec(
    rows=16, cols=32, weight=integers(4, signed=True), input=integers(4, signed=False), acc=integers(13, signed=True)
)
UNIT = Job(layer="fc", block=BLOCK, fold=Fold(2, 16))


def along(job: Job) -> float:
    """Longest path among those that registers cut."""
    paths = line(job, RTL)
    assert paths is not None
    return float(delay(EXACT, replace(paths, around=()).cut(job.cuts), FOUND))


def test_registers_stand_as_late_as_the_period_lets_them() -> None:
    unit = replace(FOUND, register=0.0, level=1.0, load=0.0)
    paths = Line(along=tuple(Path(levels=levels) for levels in (2, 1, 1, 3, 1)))
    assert late(paths, unit, 4.0) == (2,)
    assert late(paths, unit, 3.0) == (1, 2, 3)
    assert late(paths, unit, 8.0) == ()


@pytest.mark.parametrize("clock_mhz", [100.0, 200.0, 300.0])
def test_no_fewer_registers_reach_a_clock(clock_mhz: float) -> None:
    cuts = cuts_for(UNIT, RTL, FOUND, 1e3 / clock_mhz)
    assert along(replace(UNIT, cuts=cuts)) <= 1e3 / clock_mhz
    fewer = most_cuts(UNIT, RTL, FOUND, len(cuts) - 1) if cuts else None
    assert fewer is None or along(replace(UNIT, cuts=fewer)) > 1e3 / clock_mhz


def test_a_clock_that_is_slow_enough_takes_no_register() -> None:
    assert cuts_for(UNIT, RTL, FOUND, 1e3 / 50) == ()


def test_a_clock_out_of_reach_takes_the_registers_that_bring_it_closest() -> None:
    cuts = cuts_for(UNIT, RTL, FOUND, 1e3 / 2000)
    assert along(replace(UNIT, cuts=cuts)) == along(replace(UNIT, cuts=places(BLOCK, UNIT.fold)))


def test_each_register_more_shortens_the_path_or_is_left_out() -> None:
    found = [most_cuts(UNIT, RTL, FOUND, most) for most in range(8)]
    delays = [along(replace(UNIT, cuts=cuts)) for cuts in found]
    assert all(len(cuts) <= most for most, cuts in enumerate(found))
    assert delays == sorted(delays, reverse=True) and delays[0] > delays[-1]


def test_a_block_whose_path_has_no_place_stays_as_it_is() -> None:
    block = Pool(kind="max", channels=8, kernel=(2, 2), vectors=16, input=integers(4, signed=False),
                 output=integers(4, signed=False))  # fmt: skip
    job = Job(layer="pool", block=block, fold=Fold(2))
    assert pipelined([job, UNIT], RTL, FOUND, 2, 100.0)[0] is job
    assert pipelined([UNIT], RTL, FOUND, "auto", 300.0)[0].cuts == cuts_for(UNIT, RTL, FOUND, 1e3 / 300)


def test_widths_that_learn_are_built_rounded_up() -> None:
    bits = torch.tensor(3.2, dtype=torch.float64)
    learnt = replace(UNIT, block=replace(BLOCK, weight=replace(BLOCK.weight, bits=bits)))
    assert longest(learnt, RTL, FOUND) == longest(UNIT, RTL, FOUND)
