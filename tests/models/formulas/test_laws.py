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


PORTS = {"DSP48E2": ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))}
PORTS["DSP58"] = PORTS["DSP48E2"][3:]


def blocks_by_tiling(width: int, depth: int, kind: str) -> int:
    """Tile a memory with each port geometry by counting cells row by row."""
    best = 10**9
    for port_bits, port_depth in PORTS[kind]:
        across = len(range(0, width, port_bits))
        down = len(range(0, depth, port_depth))
        best = min(best, across * down)
    return best


@given(st.integers(1, 300), st.integers(1, 40_000), st.sampled_from(sorted(PORTS)))
def test_bram18_tiles_the_memory(width: int, depth: int, kind: str) -> None:
    assert memory.bram18(EXACT, width, depth, kind) == blocks_by_tiling(width, depth, kind)


@pytest.mark.parametrize(("width", "depth", "versal"), [(1, 16384, 8), (2, 8192, 4), (4, 4096, 2), (9, 2048, 1)])
def test_versal_block_ram_has_no_narrow_ports(width: int, depth: int, versal: int) -> None:
    assert memory.bram18(EXACT, width, depth, "DSP58") == versal
    assert memory.bram18(EXACT, width, depth, "DSP48E2") == 1


@pytest.mark.parametrize(("width", "depth", "versal"), [(36, 8192, 1), (24, 12288, 2), (9, 32768, 1), (72, 4097, 2)])
def test_versal_ultra_ram_has_narrow_ports(width: int, depth: int, versal: int) -> None:
    assert memory.uram(EXACT, width, depth, "DSP58") == versal
    assert memory.bank_select(width, depth, "uram", "DSP58") == 0  # of equal counts, the one without banks


@pytest.mark.parametrize(("width", "depth"), [(36, 8192), (24, 12288), (9, 32768)])
def test_words_side_by_side_in_ultra_ram_pay_for_their_multiplexer(width: int, depth: int) -> None:
    rows = depth // 4096
    assert memory.uram(EXACT, width, depth, "DSP48E2") == 1
    assert memory.bank_select(width, depth, "uram", "DSP48E2") == ceil(rows / (4 if rows <= 6 else 2)) * width + rows


@pytest.mark.parametrize(
    ("width", "depth", "blocks"), [(36, 512, 1), (37, 512, 2), (1, 16385, 2), (18, 1024, 1), (72, 512, 2)]
)
def test_bram18_of_known_memories(width: int, depth: int, blocks: int) -> None:
    assert memory.bram18(EXACT, width, depth, "DSP48E2") == blocks


def test_memory_styles_do_not_mix() -> None:
    assert memory.memory(EXACT, 8, 128, 0, "DSP48E2") == (16, 0, 0)
    assert memory.memory(EXACT, 8, 128, 1, "DSP48E2") == (0, 1, 0)
    assert memory.memory(EXACT, 73, 4097, 2, "DSP48E2") == (0, 0, 3)
    assert memory.memory(EXACT, 8, 1, 1, "DSP48E2") == (0, 0, 0)
    assert memory.memory(EXACT, 8, 128, 3, "DSP48E2") == (0, 0, 0)


def test_auto_depends_on_depth_alone() -> None:
    for flow, most in memory.AUTO_LUTRAM_DEPTH.items():
        styles = [memory.STYLES[memory.style_index("auto", depth, flow)] for depth in (1, most, most + 1)]
        assert styles == ["lutram", "lutram", "bram18"]


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
