"""The law of DSP slices, against FINN's RTL."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec, ScaleBias
from hwcost.models.formulas import dsp
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.elementwise import ScaleBiasFormula
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula

# finn-rtllib/mvu/mvu.sv on DSP48E2, weights not narrow: products per slice
LANES = {(2, 2): 9, (3, 3): 5, (4, 4): 4, (4, 8): 3, (5, 5): 3, (6, 6): 2, (8, 4): 2, (8, 8): 2}


@pytest.mark.parametrize(("widths", "lanes"), LANES.items())
def test_dsp_lanes(widths: tuple[int, int], lanes: int) -> None:
    for pe in (1, 7, 16):
        found = dsp.multipliers(EXACT, *widths, pe, 3, narrow=0, unsigned=(0, 1), kind="DSP48E2")
        assert found == ceil(pe / lanes) * 3


def test_dsp58_dot_product() -> None:
    assert dsp.multipliers(EXACT, 8, 8, 8, 16, narrow=0, unsigned=(0, 1), kind="DSP58") == 8 * 6
    assert (
        dsp.multipliers(EXACT, 4, 4, 8, 16, narrow=0, unsigned=(0, 1), kind="DSP58") == 32
    )  # the figure of FINN's RTL at PE 8, SIMD 16


@pytest.mark.parametrize(
    ("weight", "inputs", "unsigned", "kind", "slices"),
    [
        (8, 20, (0, 0), "DSP48E1", 1),  # the operands change ports: 25 x 18
        (18, 25, (0, 0), "DSP48E1", 1),
        (8, 24, (0, 1), "DSP48E1", 1),
        (8, 26, (0, 1), "DSP48E2", 1),
        (25, 18, (0, 0), "DSP48E1", 1),
        (25, 18, (0, 1), "DSP48E1", 2),  # an unsigned operand takes a bit more: 19 on a port of 18
        (25, 17, (0, 1), "DSP48E1", 1),
        (24, 18, (1, 0), "DSP48E1", 1),
        (25, 18, (1, 0), "DSP48E1", 2),
        (27, 24, (0, 0), "DSP58", 1),
        (27, 24, (0, 1), "DSP58", 2),
        (28, 19, (0, 0), "DSP48E2", 2),  # 19 on the wide port, 28 in two pieces on the narrow one
        (28, 28, (0, 0), "DSP48E2", 4),
        (43, 18, (0, 0), "DSP48E1", 3),
        (43, 18, (0, 0), "DSP48E2", 2),
    ],
)
def test_ports_of_a_slice(weight: int, inputs: int, unsigned: tuple[int, int], kind: str, slices: int) -> None:
    for pe, simd in ((1, 1), (1, 16)):
        found = dsp.multipliers(EXACT, weight, inputs, pe, simd, narrow=0, unsigned=unsigned, kind=kind)
        assert found == slices * pe * simd


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(dsp.DSP_KINDS), st.tuples(*[st.integers(0, 1)] * 2))
def test_more_bits_never_take_fewer_slices(weight: int, inputs: int, kind: str, unsigned: tuple[int, int]) -> None:
    def slices(*widths: int) -> float:
        return float(dsp.multipliers(EXACT, *widths, 4, 3, narrow=0, unsigned=unsigned, kind=kind))

    assert slices(weight, inputs) <= min(slices(weight + 1, inputs), slices(weight, inputs + 1))


@pytest.mark.parametrize(("kind", "bits"), [("DSP48E1", 24), ("DSP48E2", 26)])
def test_a_factor_behind_a_wide_sum_changes_ports(kind: str, bits: int) -> None:
    wide = integers(bits, signed=True)
    block = ScaleBias(channels=8, vectors=1, input=wide, weight=integers(8, signed=True), bias=None, output=wide)
    job = Job(layer="norm", block=block, fold=Fold(pe=4), multipliers="dsp", weight_memory="external")
    assert ScaleBiasFormula().exact(job, Setting(kind, "search", "rtl", "shared")).DSP == 4


def test_a_unit_of_wide_inputs_takes_one_slice_for_each_product() -> None:
    wide = MatVec(
        rows=8, cols=32, weight=integers(8, signed=True), input=integers(20, signed=True), acc=integers(40, signed=True)
    )
    job = Job(layer="fc", block=wide, fold=Fold(4, 16), multipliers="dsp", weight_memory="external")
    assert MatVecFormula().exact(job, Setting("DSP48E1", "search", "rtl", "shared")).DSP == 64
