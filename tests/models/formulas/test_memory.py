"""The laws of memories, against brute force and data sheets."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcost.models.formulas import memory
from hwcost.models.formulas.arithmetic import EXACT

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
