"""Weights that arrive as a stream: a RAM of two halves instead of a table of constants."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwcost.graph.ranges import dot, integers
from hwcost.graph.spec import MatVec
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.formulas.held import held_geometry
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.formulas.memory import bram18, distributed_ram

RTL = Setting("DSP48E2", "search", "rtl", "shared")
KEYS = integers(4, signed=True)
SCORES = MatVec(rows=16, cols=8, vectors=32, weight=KEYS, input=KEYS, acc=dot(KEYS, KEYS, 8), held=2)


@pytest.mark.parametrize(("by_column", "banks", "lanes"), [(False, 4, 2), (True, 2, 4)])
def test_every_row_or_column_of_lanes_has_a_memory(by_column: bool, banks: int, lanes: int) -> None:
    block, fold = replace(SCORES, by_column=by_column), Fold(4, 2)
    g = held_geometry(block, fold, RTL)
    assert (g["held_banks"], g["held_lanes"], g["held_depth"]) == (banks, lanes, 2 * 2 * 4 * 4)
    found = MatVecFormula().exact(Job("scores", block, fold), RTL)
    cells = banks * distributed_ram(EXACT, lanes * 4, 64, 2, FABRICS["DSP48E2"])[1]
    replay = distributed_ram(EXACT, 2 * 4, 4, 1, FABRICS["DSP48E2"])[1]
    assert found.LUTRAM == cells + replay and found.LUT["weights"] > cells and found.BRAM18 == 0


def test_deep_ones_lie_in_block_ram() -> None:
    block = replace(SCORES, rows=64, cols=64, acc=dot(KEYS, KEYS, 64))
    found = MatVecFormula().exact(Job("scores", block, Fold(4, 2)), RTL)
    assert found.BRAM18 >= 4 * bram18(EXACT, 8, 2 * 2 * 16 * 32, "DSP48E2")


def test_stored_weights_cost_nothing_of_it() -> None:
    assert set(held_geometry(replace(SCORES, held=0), Fold(4, 2), RTL).values()) == {0.0}


def test_a_stride_that_is_no_power_of_two_takes_adders() -> None:
    even, odd = (held_geometry(replace(SCORES, rows=rows), Fold(1, 1), RTL)["held_odd"] for rows in (16, 17))
    assert even == 0 and odd > 0


def test_a_recurrent_vector_waits_for_the_one_before() -> None:
    law = MatVecFormula()
    alone, looped = (law.cycles(replace(SCORES, held=0, loop=loop), Fold(4, 2)) for loop in (0, 9))
    assert looped - alone == 9 * 32
