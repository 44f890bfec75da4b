"""What memories cost: LUT RAM, BRAM18, URAM."""

from __future__ import annotations

from hwcost.models.relax import Arithmetic, Quantity

BRAM18_PORTS = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
"""(width in bits, depth in words) of one RAMB18 in simple dual port. Source: UG573 table 1-10."""

URAM_PORT = (72, 4096)
LUTRAM_DEPTH = 64
AUTO_LUTRAM_DEPTH = {"rtl": 64, "hls": 31}
"""Up to this depth "auto" keeps a memory in LUT RAM. Source: weight memories of 114 published units (Vivado 2020.1):
RTL used BRAM in 3 of 19 up to 64 words and in all above; HLS in none up to 16 and in 16 of 19 from 32 to 64."""

STYLES = ("lutram", "bram18", "uram", "external")


def lutram(ops: Arithmetic, width_bits: Quantity, depth: Quantity) -> Quantity:
    """LUTs of a LUT RAM or ROM: one per bit and 64 words.

    Error: the output multiplexer above 64 words is not counted: about width/4 per 64 words more.
    Source: UG574, RAM64X1S and ROM64X1.
    """
    return width_bits * ops.ceil_fixed(depth / LUTRAM_DEPTH)


RAM_BITS = {1: 16, 2: 14}
"""Bits of 32 words in the eight LUTs of a RAM32M16, by ports: one address for reading and writing, or one each."""


def distributed_ram(ops: Arithmetic, width_bits: Quantity, depth: Quantity, ports: int) -> Quantity:
    """LUTs of a LUT RAM that is written while it is read, in groups of eight LUTs: RAM32M16, RAM64M8 above 32 words.

    Args:
        ops: arithmetic.
        width_bits: of a word.
        depth: in words.
        ports: 1 where reading and writing share an address, else 2.

    Error: none on 3 LUT RAMs of UltraScale+, twice the one of 7 series (reports/calibration/error.md); an output
    multiplexer above 64 words is not counted.
    Source: UG574, RAM32M16 and RAM64M8; Yosys 0.70 uses no smaller groups on UltraScale+.
    """
    groups = ops.ceil(width_bits / ops.where(depth <= LUTRAM_DEPTH // 2, RAM_BITS[ports], RAM_BITS[ports] // 2))
    return 8 * groups * ops.ceil_fixed(depth / LUTRAM_DEPTH)


def bram18(ops: Arithmetic, width_bits: Quantity, depth: Quantity) -> Quantity:
    """RAMB18 of one memory, in the best of its port geometries; non-decreasing in both arguments.

    Error: within 1 block on 107 of 114 published units with a memory per PE (reports/calibration/published.md). A
    vendor tool may cascade instead, or add a block for timing.
    Source: UG573 table 1-10.
    """
    return ops.fewest_cells(width_bits, depth, BRAM18_PORTS)


def uram(ops: Arithmetic, width_bits: Quantity, depth: Quantity) -> Quantity:
    """URAM288 of one memory: 72 bits by 4096 words, one geometry.

    Error: none known; no published row to compare with.
    Source: UG573, chapter 2.
    """
    return ops.ceil(width_bits / URAM_PORT[0]) * ops.ceil_fixed(depth / URAM_PORT[1])


def memory(
    ops: Arithmetic, width_bits: Quantity, depth: Quantity, style: Quantity
) -> tuple[Quantity, Quantity, Quantity]:
    """LUT, BRAM18 and URAM of one memory.

    Args:
        ops: arithmetic.
        width_bits: of a word.
        depth: in words; a memory of one word is a constant or a register and costs nothing here.
        style: index into STYLES; an external memory costs nothing here.
    """
    exists = depth > 1
    in_lutram = ops.where(exists & (style == 0), lutram(ops, width_bits, depth), 0.0 * width_bits)
    in_bram = ops.where(exists & (style == 1), bram18(ops, width_bits, depth), 0.0 * width_bits)
    in_uram = ops.where(exists & (style == 2), uram(ops, width_bits, depth), 0.0 * width_bits)
    return in_lutram, in_bram, in_uram


def style_index(style: str, depth: int, flow: str) -> int:
    """The style as an index into STYLES; "auto" decides by depth alone, so that no width can change it."""
    if style == "auto":
        return 0 if depth <= AUTO_LUTRAM_DEPTH[flow] else 1
    return STYLES.index(style)
