"""The laws per resource, against brute force and published figures."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcost.errors import BadOption
from hwcost.models.formulas import coefficients, dsp, lut, memory
from hwcost.models.formulas.arithmetic import EXACT

RTL = coefficients.values("rtl")


def blocks_by_tiling(width: int, depth: int) -> int:
    """Tile a memory with each port geometry by counting cells row by row."""
    best = 10**9
    for port_bits, port_depth in ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512)):
        across = len(range(0, width, port_bits))
        down = len(range(0, depth, port_depth))
        best = min(best, across * down)
    return best


@given(st.integers(1, 300), st.integers(1, 40_000))
def test_bram18_tiles_the_memory(width: int, depth: int) -> None:
    assert memory.bram18(EXACT, width, depth) == blocks_by_tiling(width, depth)


@pytest.mark.parametrize(
    ("width", "depth", "blocks"), [(36, 512, 1), (37, 512, 2), (1, 16385, 2), (18, 1024, 1), (72, 512, 2)]
)
def test_bram18_of_known_memories(width: int, depth: int, blocks: int) -> None:
    assert memory.bram18(EXACT, width, depth) == blocks


def test_memory_styles_do_not_mix() -> None:
    assert memory.memory(EXACT, 8, 128, 0) == (16, 0, 0)
    assert memory.memory(EXACT, 8, 128, 1) == (0, 1, 0)
    assert memory.memory(EXACT, 73, 4097, 2) == (0, 0, 3)
    assert memory.memory(EXACT, 8, 1, 1) == (0, 0, 0)
    assert memory.memory(EXACT, 8, 128, 3) == (0, 0, 0)


def test_auto_depends_on_depth_alone() -> None:
    for flow, most in memory.AUTO_LUTRAM_DEPTH.items():
        styles = [memory.STYLES[memory.style_index("auto", depth, flow)] for depth in (1, most, most + 1)]
        assert styles == ["lutram", "lutram", "bram18"]


# finn-rtllib/mvu/mvu.sv on DSP48E2, weights not narrow: products per slice
LANES = {(2, 2): 9, (3, 3): 5, (4, 4): 4, (4, 8): 3, (5, 5): 3, (6, 6): 2, (8, 4): 2, (8, 8): 2}


@pytest.mark.parametrize(("widths", "lanes"), LANES.items())
def test_dsp_lanes(widths: tuple[int, int], lanes: int) -> None:
    for pe in (1, 7, 16):
        found = dsp.multipliers(EXACT, *widths, pe, 3, narrow=0, kind="DSP48E2")
        assert found == ceil(pe / lanes) * 3


def test_dsp58_dot_product() -> None:
    assert dsp.multipliers(EXACT, 8, 8, 8, 16, narrow=0, kind="DSP58") == 8 * 6
    assert (
        dsp.multipliers(EXACT, 4, 4, 8, 16, narrow=0, kind="DSP58") == 32
    )  # the figure of FINN's RTL at PE 8, SIMD 16


def test_wide_operands_take_several_slices() -> None:
    assert dsp.multipliers(EXACT, 28, 19, 1, 1, narrow=0, kind="DSP48E2") == 4


@pytest.mark.parametrize("terms", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_adder_tree_counts_every_adder(terms: int, width: int) -> None:
    total, left, level = 0, terms, width
    while left > 1:  # an adder of two w-bit numbers has w + 1 result bits
        left, level = left // 2, level + 1
        total += left * level
    assert lut.adder_tree_bits(EXACT, terms, width) == total


# Yosys 0.70, parallel comparators per channel lane: (accumulator bits, output bits) -> LUT
COMPARATORS = {
    (8, 2): 20, (8, 3): 47, (8, 4): 111, (16, 1): 11, (16, 2): 35, (16, 3): 82, (16, 4): 186, (24, 1): 16, (24, 2): 50,
    (24, 3): 117, (24, 4): 261,
}  # fmt: skip


@pytest.mark.parametrize(("widths", "measured"), COMPARATORS.items())
def test_comparators_are_near_synthesis(widths: tuple[int, int], measured: int) -> None:
    compared, bits = widths
    assert lut.comparators(EXACT, 2**bits - 1, compared, RTL) == pytest.approx(measured, rel=0.13)


def test_every_constant_has_unit_source_and_error() -> None:
    for name, row in coefficients.coefficients().items():
        assert row.unit and row.source and row.error, name
        assert all(value >= 0 for value in row.value.values()), name


def test_unknown_flow() -> None:
    with pytest.raises(BadOption, match="flow='vhdl'"):
        coefficients.values("vhdl")
