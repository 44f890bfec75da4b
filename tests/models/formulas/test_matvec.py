"""The matrix-vector unit: legal folds, cycles, and where its weights lie."""

from __future__ import annotations

import random

import pytest
from block_strategies import dense
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import BadFolding
from hwcost.graph.spec import MatVec
from hwcost.models import Dataflow, Fold, Placed, Setting
from hwcost.models.formulas.matvec import MAX_STREAM_BITS, MatVecFormula, check_streams, fault

RTL = Setting("DSP48E2", "search", "rtl", "shared")


def test_wide_streams_are_illegal() -> None:
    block = dense(1024, 1024)
    assert (
        fault(block, Fold(64, 32), MAX_STREAM_BITS) == "PE=64, SIMD=32: the weight stream is 8192 bits wide, above 8191"
    )
    assert fault(block, Fold(64, 16), MAX_STREAM_BITS) is None


def grouped(rows: int, cols: int, groups: int) -> MatVec:
    single = dense(rows, cols)
    return MatVec(rows=rows, cols=cols, groups=groups, weight=single.weight, input=single.input, acc=single.acc)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6))
def test_every_fold_offered_is_legal_and_none_is_left_out(rows: int, cols: int, groups: int) -> None:
    block = grouped(rows, cols, groups)
    offered = set(MatVecFormula().folds(block))
    for pe in range(1, rows * groups + 2):
        for simd in range(1, cols + 2):
            legal = (rows * groups) % pe == 0 and cols % simd == 0 and (rows % pe == 0 or pe % rows == 0)
            legal = legal and (groups == 1 or simd == 1 or pe == rows * groups)
            assert (Fold(pe, simd) in offered) == legal


def test_depthwise_cycles() -> None:
    formula = MatVecFormula()
    assert formula.cycles(grouped(1, 9, 32), Fold(8, 1)) == 9 * 4
    assert formula.cycles(grouped(1, 9, 32), Fold(32, 9)) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 9), st.randoms(use_true_random=False))
def test_cycles_of_a_unit(rows: int, cols: int, vectors: int, source: random.Random) -> None:
    block = dense(rows, cols, vectors)
    pe = source.choice([d for d in range(1, rows + 1) if rows % d == 0])
    simd = source.choice([d for d in range(1, cols + 1) if cols % d == 0])
    model = Dataflow(device="xc7z020", folding={"fc": Fold(pe, simd)})
    count = sum(1 for _ in range(0, rows, pe) for _ in range(0, cols, simd) for _ in range(vectors))
    assert float(model.price([Placed("fc", block)])["cycles"]) == count


def test_dsp_multipliers_move_from_lut_to_slices() -> None:
    items = [Placed("fc", dense(16, 64))]
    fold = {"fc": Fold(4, 8)}
    in_lut = Dataflow(device="ZCU104", folding=fold).price(items)
    in_dsp = Dataflow(device="ZCU104", folding=fold, multipliers={"fc": "dsp"}).price(items)
    assert float(in_lut["DSP"]) == 0
    assert float(in_dsp["DSP"]) == 8  # 4 products of 4x4 bits per slice
    assert float(in_dsp["LUT"]) < float(in_lut["LUT"])


def test_a_memory_per_pe_takes_more_blocks_than_one_for_all() -> None:
    items = [Placed("fc", dense(64, 1024))]  # PE 4, SIMD 2: 8192 words of 32 bits, or four times 8 bits
    blocks = {
        banks: float(Dataflow(device="xc7z020", folding={"fc": Fold(4, 2)}, weight_banks=banks).price(items)["BRAM18"])
        for banks in ("shared", "per_pe")
    }
    assert blocks == {"shared": 17, "per_pe": 17}  # and one that replays 512 words of the input
    wide = {
        banks: float(Dataflow(device="xc7z020", folding={"fc": Fold(8, 32)}, weight_banks=banks).price(items)["BRAM18"])
        for banks in ("shared", "per_pe")
    }
    assert wide == {"shared": 29, "per_pe": 32}  # 256 words of 1024 bits, or eight times 128 bits


def test_external_weights_cost_no_memory() -> None:
    items = [Placed("fc", dense(64, 1024))]
    inside, outside = (
        Dataflow(device="xc7z020", folding={"fc": Fold(4, 2)}, weight_memory=style).price(items)
        for style in ("bram18", "external")
    )
    assert float(inside["BRAM18"]) == 17 and float(outside["BRAM18"]) == 1  # which replays the input
    assert float(inside["LUT"]) >= float(outside["LUT"])  # deep memories choose between banks


def test_the_unit_with_the_widest_narrowest_stream_is_named() -> None:
    """A wide accumulator is a stream of one word: no fold makes it narrower."""
    units = {"a": dense(4, 8), "b": dense(4, 100), "c": dense(4, 6)}
    with pytest.raises(BadFolding, match="b: no legal folding: its narrowest has a stream of 15 bits"):
        check_streams(units, 8)
    check_streams(units, 15)
