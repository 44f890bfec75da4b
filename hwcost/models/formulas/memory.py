"""Prices of memories: LUT RAM, BRAM18, URAM.

`depth` is in words of `width_bits`; `kind` is the multiplier of the part, which tells its fabric.
"""

from functools import cache
from itertools import pairwise
from math import ceil, log2

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity
from hwcost.models.formulas.fabric import Fabric, fabric

AUTO_LUTRAM_DEPTH = {"rtl": 64, "hls": 31}
"""Up to this depth "auto" keeps a memory in LUT RAM. Source: weight memories of 114 published units (Vivado 2020.1):
RTL used BRAM in 3 of 19 up to 64 words and in all above; HLS in none up to 16 and in 16 of 19 from 32 to 64. Those are
memories per PE; shared ones of HLS, which stand next to their unit, were BRAM in all four units of a published network
(Vivado 2023.2), from 6 words on."""

STYLES = ("lutram", "bram18", "uram", "external")


SELECTED = 4
"""Banks that one LUT6 chooses between; wider choices join such LUTs by the multiplexers of the slice, which are free.
Source: UG574, figure "32:1 multiplexer"."""


def lutram(ops: Arithmetic, width_bits: Quantity, depth: Quantity, part: Fabric) -> Quantity:
    """LUTs of a LUT RAM or ROM: one per bit and as many words as a LUT holds, 64 or 16.

    Error: of LUT6, the output multiplexer above 64 words is not counted: about width/4 per 64 words more.
    Source: UG574, RAM64X1S and ROM64X1; LUT4 of ECP5, joined by PFUMX and L6MUX21.
    """
    each = ops.ceil_fixed(depth / part.words)
    if part.lut_inputs == 4:
        each = each + ops.where(each > JOINED, (each - JOINED) / 2, 0 * each)
    return width_bits * each


JOINED = 4
"""LUT4 that the multiplexers of a slice join for nothing; of more, half of them take another one. Source: Yosys 0.70,
random words."""


FEW_WORDS = 8
"""Words up to which a table has fewer different columns than a wide word has bits."""


def rom(ops: Arithmetic, width_bits: Quantity, depth: Quantity, repeated: Quantity, part: Fabric) -> Quantity:
    """LUTs of a table of constants: one per bit and words of a LUT; of few words, equal columns are built once.

    A column of d words is one of 2^d functions of the address, of which the two constants and the address bits
    themselves take no LUT.

    `repeated` is `log_repeated` of the depth.

    Error: reports/calibration/error.md, "memory rom"; its contents are random, as trained weights nearly are.
    Source: counting; Yosys 0.70.
    """
    functions = ops.exp2(ops.minimum(depth, FEW_WORDS))
    built = functions - 2 - ops.ceil_log2(depth)
    few = ops.ceil(built * (1 - ops.exp2(repeated * width_bits)))
    return ops.where(depth <= FEW_WORDS, few, lutram(ops, width_bits, depth, part))


def columns(ops: Arithmetic, width_bits: Quantity, depth: Quantity, repeated: Quantity) -> Quantity:
    """Registers behind a table of constants: one per bit; of few words, equal columns share one.

    Error: at most 1 of 73 registers of six units with tables of 4 and 8 random words.
    Source: counting, as `rom`; Yosys 0.70.
    """
    functions = ops.exp2(ops.minimum(depth, FEW_WORDS)) - 2
    few = ops.ceil(functions * (1 - ops.exp2(repeated * width_bits)))
    return ops.where(depth <= FEW_WORDS, few, width_bits)


def log_repeated(depth: int) -> float:
    """Logarithm to base 2 of the chance that a column of `depth` random bits is not a given one."""
    return log2(1 - 2.0 ** -min(max(depth, 1), FEW_WORDS))


def distributed_ram(
    ops: Arithmetic, width_bits: Quantity, depth: Quantity, ports: int, part: Fabric
) -> tuple[Quantity, Quantity]:
    """A LUT RAM that is written while it is read, in groups of LUTs: RAM32M16 and RAM64M8, or DPR16X4 of ECP5.

    It has 1 of `ports` where reading and writing share an address, else 2.

    Returns:
        All LUTs, and those of them that are RAM; the others choose between banks of the deepest groups.

    Error: reports/calibration/error.md, "memory ram" and "memory spram"; twice the one of 7 series.
    Source: UG574; Yosys 0.70 uses no smaller groups on UltraScale+; nextpnr 0.11, of ECP5.
    """
    (few_bits, few_words), (many_bits, many_words) = part.ram_groups[ports][0], part.ram_groups[ports][-1]
    groups = ops.ceil(width_bits / ops.where(depth <= few_words, few_bits, many_bits))
    banks = ops.ceil_fixed(depth / many_words)
    chosen = ops.where(banks > 1, selected(ops, banks, part) * width_bits + 2 * banks, 0 * width_bits)
    return part.ram_luts * groups * banks + chosen, part.ram_luts * groups * banks


def selected(ops: Arithmetic, inputs: Quantity, part: Fabric) -> Quantity:
    """LUTs of a multiplexer of one bit: one for as many inputs as a LUT can choose between.

    Error: see what it is a part of.
    Source: SELECTED; of LUT4, Yosys 0.70.
    """
    if part.lut_inputs == 6:
        return ops.ceil_fixed(inputs / SELECTED)
    return inputs - 1


def bram18(ops: Arithmetic, width_bits: Quantity, depth: Quantity, kind: str) -> Quantity:
    """RAMB18 of one memory, in the best of its port geometries; non-decreasing in both arguments.

    Error: within 1 block on 107 of 114 published units with a memory per PE (reports/calibration/published.md). A
    vendor tool may cascade instead, or add a block for timing.
    Source: `fabric.FABRICS`.
    """
    return ops.fewest_cells(width_bits, depth, fabric(kind).bram_ports)


@cache
def banks(width_bits: int, depth: int, kind: str) -> int:
    """RAMs above one another in a block RAM memory: of the geometries with fewest blocks, the one with fewest banks.

    Source: Yosys 0.70 on 90 memories; UG573 table 1-10, a RAMB36 twice as deep as a RAMB18 of its width.
    """
    cells = [(bits, words * pair, pair) for bits, words in fabric(kind).bram_ports for pair in (1, 2)]
    built = [(ceil(width_bits / bits) * ceil(depth / words) * pair, ceil(depth / words)) for bits, words, pair in cells]
    return min(built)[1]


MOST_JOINED = 6
"""Banks up to which LUT6 that choose between four are joined for nothing; above, Yosys 0.70 takes a LUT for two."""


def bank_select(width_bits: int, depth: int, style: str, kind: str) -> int:
    """LUTs that choose the bank that a word of a memory is read from.

    Memories of other styles than "bram18" and "uram" have none.

    Error: reports/calibration/error.md, "memory bram18" and "memory uram". Newer vendor tools cascade instead, without
    a LUT.
    Source: a LUT6 for every bit and four banks (a LUT for two, of many banks), and one that decodes each bank; Yosys
    0.70 on 90 memories. A vendor tool needs at most half of it.
    """
    many = 1
    if style == "bram18":
        many = banks(width_bits, depth, kind)
    elif style == "uram":
        ports = fabric(kind).uram_ports
        many = min((ceil(width_bits / bits) * ceil(depth / words), ceil(depth / words)) for bits, words in ports)[1]
    one = ceil(many / (SELECTED if many <= MOST_JOINED else 2))  # LUTs for a bit
    one = one if fabric(kind).lut_inputs == 6 else many - 1
    return one * width_bits + many if many > 1 else 0


MOST_STEPS = 8
"""Bits of a weight up to which `bank_steps` follows the choice between banks; beyond, every bit costs the mean."""


@cache
def bank_steps(lanes: int, depth: int, style: str, kind: str) -> tuple[float, ...]:
    """LUTs that each bit of a weight adds to the choice between banks, from the first to the MOST_STEPS-th bit.

    The synthesizer's choice of a port geometry, and the banks with it, jumps up and down with the width of a word; a
    price must not fall where a width grows, so the closest curve that does not fall stands for it.
    A word has `lanes` weights.
    """
    exact = [bank_select(lanes * bits, depth, style, kind) for bits in range(1, MOST_STEPS + 1)]
    if not any(exact):
        return (0.0,) * MOST_STEPS
    from scipy.optimize import isotonic_regression  # half a second to import, for what few memories need

    rising = isotonic_regression(exact).x.tolist()
    return tuple(after - before for before, after in pairwise([0.0, *rising]))


def uram(ops: Arithmetic, width_bits: Quantity, depth: Quantity, kind: str) -> Quantity:
    """URAM288 of one memory: 4096 rows of 72 bits, in which narrow words of a deeper memory stand side by side.

    UltraScale+ has that one geometry, so a multiplexer in LUTs chooses the word (`bank_select`): that is how Yosys
    builds it, and AMD's own table of 4K x 72 alone asks for more blocks. Versal has narrower, deeper ports of its own.

    Error: exact on 22 of 23 synthesized memories, the others one block off (reports/calibration/error.md), and on the
    shapes of that table (tests/synth/test_yosys.py); no published row to compare with.
    Source: UG573, chapter 2; Yosys 0.70; AM007.
    """
    ports = fabric(kind).uram_ports
    if len(ports) > 1:
        return ops.fewest_cells(width_bits, depth, ports)
    ((bits, words),) = ports
    return ops.ceil(width_bits * ops.ceil_fixed(depth / words) / bits)


def memory(
    ops: Arithmetic, width_bits: Quantity, depth: Quantity, style: Quantity, kind: str
) -> tuple[Quantity, Quantity, Quantity]:
    """LUT, BRAM18 and URAM of one memory.

    An external memory, by its index `style` into STYLES, costs nothing here; nor does one of a single word, a register.
    """
    exists = depth > 1
    in_lutram = ops.where(exists & (style == 0), lutram(ops, width_bits, depth, fabric(kind)), 0.0 * width_bits)
    in_bram = ops.where(exists & (style == 1), bram18(ops, width_bits, depth, kind), 0.0 * width_bits)
    in_uram = ops.where(exists & (style == 2), uram(ops, width_bits, depth, kind), 0.0 * width_bits)
    return in_lutram, in_bram, in_uram


BUS_BITS = 32
"""Bits that arrive at once to be written at run time. Source: AXI4-Lite, which FINN's memory streamer has."""


def write_port(
    ops: Arithmetic, word_bits: Quantity, address_bits: Quantity, banks: Quantity
) -> tuple[Quantity, Quantity]:
    """LUT and FF that write memories at run time: a word collected from a bus, its address, an enable for each memory.

    The memories themselves have a second port for it, whose price is theirs.

    Args:
        ops: arithmetic.
        word_bits: of one memory.
        address_bits: of all counters: words of a memory, and memories.
        banks: memories that are written in turn.

    Error: at most 8 LUT and 3 FF on 8 synthesized ports (tests/synth/test_yosys.py).
    Source: Yosys 0.70.
    """
    many = ops.where(banks > 1, banks, 0 * banks)
    held = ops.where(ops.special(word_bits <= BUS_BITS), word_bits, ops.ceil(word_bits / BUS_BITS) * BUS_BITS)
    return many + ops.ceil_fixed(address_bits / 2) + 2, held + address_bits + 4


def style_index(style: str, depth: int, flow: str, *, shared: bool = False) -> int:
    """The style as an index into STYLES; "auto" decides by depth alone, so that no width can change it.

    Args:
        style, depth, flow: of the memory.
        shared: whether it holds the weights of all PE of a unit.
    """
    if style == "auto":
        return 0 if depth <= (1 if shared and flow == "hls" else AUTO_LUTRAM_DEPTH[flow]) else 1
    return STYLES.index(style)
