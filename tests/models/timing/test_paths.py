"""Paths of units: longer where widths, inputs at once or memories grow, and cut where registers stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwcost.graph.ranges import binary, integers
from hwcost.graph.spec import Block, LabelSelect, MatVec, Pool, Thresholds, Window
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.timing.delays import families
from hwcost.models.timing.paths import Line, Path, delay
from hwcost.models.timing.registers import line

ECP5 = families()["MULT18X18D"]
RTL = Setting("MULT18X18D", "search", "rtl", "shared")


def unit(*, simd: int = 4, weight: int = 4, inputs: int = 4, rows: int = 16, memory: str = "auto") -> Job:
    wires = {name: integers(bits, signed=name != "input") for name, bits in (("weight", weight), ("acc", 14))}
    block = MatVec(rows=rows, cols=32, input=integers(inputs, signed=False), **wires)
    return Job(layer="fc", block=block, fold=Fold(2, simd), weight_memory=memory)


def ns(job: Job, setting: Setting = RTL) -> float:
    found = line(job, setting)
    assert found is not None
    return float(delay(EXACT, found.cut(job.cuts), ECP5))


def test_a_path_is_the_sum_of_its_elements() -> None:
    path = Path(levels=2, chains=3, bits=8, reads=1, load=4.0)
    wanted = ECP5.register + 2 * ECP5.level + 3 * ECP5.chain + 11 * ECP5.carry + ECP5.block_ram + 4 * ECP5.load
    assert path.delay(ECP5) == pytest.approx(wanted)


def test_paths_behind_one_another_add_up_but_for_their_widest_chain_and_net() -> None:
    joined = Path(levels=1, chains=1, bits=9, load=5.0).then(Path(levels=2, chains=2, bits=6, load=1.0))
    assert joined == Path(levels=3, chains=3, bits=9, load=5.0)


def test_registers_cut_what_lies_along_and_nothing_beside() -> None:
    found = Line(along=(Path(levels=1), Path(levels=2), Path(levels=4)), around=(Path(levels=9),))
    assert [path.levels for path in found.cut(())] == [7, 9]
    assert [path.levels for path in found.cut((1,))] == [3, 4, 9]
    assert [path.levels for path in found.cut((0, 1))] == [1, 2, 4, 9]


@pytest.mark.parametrize(
    ("slow", "fast"),
    [
        (unit(simd=16), unit(simd=8)),
        (unit(weight=8, inputs=8), unit()),
        (unit(memory="bram18"), unit(memory="lutram")),
        (unit(), replace(unit(), cuts=(0,))),
        (replace(unit(), cuts=(0,)), replace(unit(), cuts=(0, 1, 2))),
    ],
)
def test_a_unit_is_slower(slow: Job, fast: Job) -> None:
    assert ns(slow) > ns(fast)


def test_two_bipolar_operands_have_no_rows() -> None:
    block = unit().block
    assert isinstance(block, MatVec)
    bipolar = replace(block, weight=binary(), input=binary())
    assert ns(replace(unit(), block=bipolar)) < ns(unit()) - ECP5.chain


def test_a_ternary_search_compares_with_one_threshold_at_a_time() -> None:
    wires = {"input": integers(12, signed=True), "output": integers(4, signed=False)}
    job = Job(layer="act", block=Thresholds(channels=16, vectors=1, **wires), fold=Fold(2))
    assert ns(job, replace(RTL, thresholds="parallel")) > ns(job)


@pytest.mark.parametrize(
    ("block", "fold", "measured"),
    [
        (
            Window(channels=4, image=(16, 16), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
                   output=(14, 14), input=integers(4, signed=False)),
            Fold(simd=2), 9.7,
        ),
        (
            Window(channels=4, image=(16, 16), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
                   output=(14, 14), input=integers(4, signed=False)),
            Fold(simd=4, parallel_window=True), 4.6,
        ),
        (Thresholds(channels=16, vectors=1, input=integers(12, signed=True), output=integers(4, signed=False)),
         Fold(2), 5.9),
        (Pool(kind="max", channels=8, kernel=(2, 2), vectors=16, input=integers(4, signed=False),
              output=integers(4, signed=False)), Fold(2), 3.9),
    ],
)  # fmt: skip
def test_units_are_about_as_fast_as_routed(block: Block, fold: Fold, measured: float) -> None:
    assert ns(Job(layer="unit", block=block, fold=fold)) == pytest.approx(measured, rel=0.3)


def test_a_choice_among_several_elements_runs_through_all_of_them() -> None:
    block = LabelSelect(channels=8, vectors=1, input=integers(8, signed=True), output=integers(3, signed=False))
    one, four = (ns(Job(layer="label", block=block, fold=Fold(pe))) for pe in (1, 4))
    assert four - one == pytest.approx(3 * (ECP5.level + ECP5.chain + ECP5.carry))
