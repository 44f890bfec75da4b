"""Registers of units, counted from their RTL."""

from math import prod

from hwcost.graph.spec import Window
from hwcost.models.formulas.arithmetic import Arithmetic, Quantity
from hwcost.models.formulas.fabric import Fabric
from hwcost.models.formulas.formula import Fold, Setting

SHORT_CHAIN = 2
"""Longest chain of registers that stays one where LUTs shift: longer ones become shift registers. Source: synth_xilinx
of Yosys 0.70, shreg_extract -minlen 3."""


def stream_registers(ops: Arithmetic, word: Quantity, setting: Setting) -> Quantity:
    """FF of a unit with one register: its word and whether that is full; a skid buffer in flow "hls".

    Args:
        ops: exact or smooth.
        word: bits that leave in a cycle.
        setting: with the constants.

    Error: reports/calibration/error.md, FF of the kinds with one register.
    Source: hwcost.synth.streams.handshake.
    """
    c = setting.constants
    return ops.ceil(c["stream_ff_bit"] * word + c["stream_ff"])


def counter_bits(*sizes: int) -> int:
    """Bits of counters that run through `sizes` steps each.

    >>> counter_bits(1, 8, 9)
    7
    """
    return sum((size - 1).bit_length() for size in sizes)


def pads(block: Window) -> bool:
    """Whether something stands around the image or between its pixels."""
    return any(pad for pair in block.padding for pad in pair) or max(block.spread or (1,)) > 1


def _padded(block: Window) -> list[int]:
    return [size + before + after for size, (before, after) in zip(block.image, block.padding, strict=True)]


def padding_counters(block: Window, fold: Fold) -> int:
    """FF that walk around a padded image; 0 where nothing is padded.

    Args:
        block: the window.
        fold: with the channels of a word.

    Error, Source: as `window_counters`.
    """
    words = block.channels // fold.simd
    return counter_bits(words, *_padded(block), *(block.spread or ())) if pads(block) else 0


def window_counters(block: Window, fold: Fold, depth: int) -> int:
    """FF that steer a window: its pointers, its loops, and the walk around what is padded.

    Args:
        block: the window.
        fold: with the channels of a word.
        depth: words of a line buffer.

    Error: reports/calibration/error.md, FF of "window".
    Source: hwcost.synth.window and hwcost.build.window.
    """
    words = block.channels // fold.simd
    padded, around = _padded(block), padding_counters(block, fold)
    if fold.parallel_window:
        return around + counter_bits(depth, words, *padded, *block.stride) + 1
    reach = (prod(padded) * words).bit_length() + 1
    return around + 3 * reach + 2 * counter_bits(max(2, depth)) + counter_bits(words, *block.kernel, *block.output) + 2


def window_words(block: Window, fold: Fold, part: Fabric, *, in_lut: bool) -> int:
    """Words that a window holds in registers.

    Args:
        block: the window.
        fold: with the channels of a word.
        part: the fabric.
        in_lut: whether its lines are in LUT RAM, which has no register of its own.

    Error, Source: as `window_counters`.
    """
    if not fold.parallel_window:
        return int(in_lut)
    apart = block.dilation[-1] * (block.channels // fold.simd)
    pixels = prod(block.kernel)
    between = (
        apart - 1 if apart <= SHORT_CHAIN or not part.shifted else 0
    )  # the pixels that are shown are the ends of their chains
    return pixels + between * (pixels - pixels // block.kernel[-1])
