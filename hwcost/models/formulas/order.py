"""Price of what changes the order or the length of a stream: buffers that are read again, padding, cropping."""

from collections.abc import Sequence
from math import gcd, prod

from torch import Tensor

from hwcost.graph.blocks import Pad, Reorder, Repeat
from hwcost.graph.ranges import widest
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.memory import distributed_ram, memory, style_index
from hwcost.models.formulas.registers import stream_registers


class BufferFormula(Formula[Reorder | Repeat]):
    """Two halves of a buffer: one is written in order, while the other is read along the loops of a new order.

    Error: LUT of 24 synthesized units: reports/calibration/error.md, "reorder".
    Source: structure; constants in coefficients.json.
    """

    def folds(self, block: Reorder | Repeat) -> list[Fold]:
        lanes = block.lanes if isinstance(block, Reorder) else block.channels
        return [Fold(pe=pe) for pe in divisors(gcd(lanes, block.channels))]

    def cycles(self, block: Reorder | Repeat, fold: Fold) -> int:
        return block.channels // fold.pe * block.vectors

    def widths(self, block: Reorder | Repeat) -> tuple[Tensor, ...]:
        return (widest(block.input).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Reorder | Repeat)
        held = block.held if isinstance(block, Reorder) else block.held * block.channels
        half = held // fold.pe
        reads = self.cycles(block, fold)
        return {
            "pe": fold.pe,
            "depth": 2 * half,
            "counter_bits": (half - 1).bit_length() * 2 + min((reads - 1).bit_length(), LOOP_BITS),
            "style": style_index("auto", 2 * half, "rtl"),
            "cycles": reads,
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.pe * widths[0]
        _, in_bram, _ = memory(ops, word, g.depth, g.style, setting.dsp_kind)
        luts, cells = distributed_ram(ops, word, g.depth, 2, setting.fabric)
        small = g.style == 0
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["reorder_control"] + c["reorder_counter_bit"] * g.counter_bits),
                "lines": ops.where(small, luts, 0 * luts),
            },
            FF=stream_registers(ops, ops.where(small, word, 0 * word), setting) + g.counter_bits + HALVES,
            BRAM18=in_bram,
            LUTRAM=ops.where(small, cells, 0 * cells),
            cycles=g.cycles,
        )


HALVES = 4
"""FF that tell of both halves whether they are full, which is written and which read. Source: hwcost.synth.order."""

LOOP_BITS = 16
"""Bits of the counters of the loops that are priced; more are counters of whole images, which the links have."""


class PadFormula(Formula[Pad]):
    """Counters over the sides of a sample, which insert zeros, or drop words.

    Error: LUT of 24 synthesized units: reports/calibration/error.md, "pad".
    Source: structure; constants in coefficients.json.
    """

    def folds(self, block: Pad) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(gcd(block.sides[0], *block.pads[0]))]

    def cycles(self, block: Pad, fold: Fold) -> int:
        return prod(block.span) // fold.pe

    def widths(self, block: Pad) -> tuple[Tensor, ...]:
        return (widest(block.output).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Pad)
        channels, *pixels = block.span
        spans = (channels // fold.pe, *pixels)
        return {
            "pe": fold.pe,
            "counter_bits": sum((size - 1).bit_length() for size in spans),
            "ends": sum(side != 0 for pair in block.pads for side in pair),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        control = c["pad_control"] + c["pad_counter_bit"] * g.counter_bits + c["pad_end"] * g.ends
        return Parts(
            LUT={"control": ops.ceil_fixed(control)},
            FF=stream_registers(ops, g.pe * widths[0], setting) + g.counter_bits,
            cycles=g.cycles,
        )
