"""Price of what connects units: links (converters, FIFOs, copies), joins of streams, the choice of a label."""

from collections.abc import Sequence
from math import gcd, lcm

from torch import Tensor

from hwcost.graph.ranges import widest
from hwcost.graph.spec import Concat, LabelSelect, Link
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import LaneFormula
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.memory import bram18, distributed_ram
from hwcost.models.formulas.registers import counter_bits, stream_registers

FEW_WORDS = 2
"""Words of a FIFO that are flip-flops; more are shift registers, or a ring in LUT RAM where LUTs do not shift. Source:
Yosys 0.70, xilinx_srl; hwcost.synth.links."""

SRL_DEPTH = 32
"""Words of a shift register in one LUT. Source: UG574, SRLC32E."""

MOST_SRL = {"rtl": 256, "hls": 31}
"""Up to this depth a FIFO is made of shift registers, beyond of BRAM18. Source: FINN dev 73ba5ed (Q_srl up to 256); HLS
keeps up to 1,024 bits in shift registers, which is 32 words of 32 bits."""


JOINED = 4
"""Shift registers whose outputs the multiplexers of the slice join for nothing. Source: UG574, figure "128-bit shift
register"."""


def shift_registers(depth: int) -> int:
    """LUTs of a FIFO per bit: shift registers above one another, and what chooses between groups of four.

    >>> shift_registers(32), shift_registers(128), shift_registers(200)
    (1, 4, 8)
    """
    count = -(-depth // SRL_DEPTH)
    return count + (count > JOINED)


class LinkFormula(Formula[Link]):
    """A stream between two blocks: control of a copy, a converter of word widths, a FIFO.

    A converter collects words up to the least common multiple of both widths (flip-flops), and shifts them out (a load
    multiplexer per bit). A FIFO is as deep as `rates.depths` says, its BRAM a power of two deep.

    Error: reports/calibration/error.md, "converter", "fifo" and "copy".
    Source: Yosys 0.70; UG574 for shift registers; constants in coefficients.json.
    """

    def folds(self, block: Link) -> list[Fold]:
        return [Fold()]

    def cycles(self, block: Link, fold: Fold) -> int:
        return 0

    def widths(self, block: Link) -> tuple[Tensor, ...]:
        return (widest(block.wire).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        adapter = job.adapter
        assert adapter is not None
        whole = lcm(adapter.produced, adapter.consumed)
        collects, shifts = whole != adapter.produced, whole != adapter.consumed
        shallow = adapter.depth <= MOST_SRL[setting.flow]
        pointer = (adapter.depth - 1).bit_length() if adapter.depth else 0
        return {
            "collected": whole * collects,
            "shifted": whole * shifts,
            "loaded": (whole - adapter.consumed) * shifts,
            "converters": collects + shifts,
            "counters": (whole // adapter.produced).bit_length() * collects
            + (whole // adapter.consumed).bit_length() * shifts,
            "word": adapter.produced if adapter.ahead else adapter.consumed,
            "fifo": float(adapter.depth > 0),
            "srl": shift_registers(adapter.depth) if shallow else 0,
            "ring": adapter.depth if shallow and not setting.fabric.shifted and adapter.depth > FEW_WORDS else 0,
            "depth": 0 if shallow else 1 << (adapter.depth - 1).bit_length(),
            "pointer": 2 * pointer,
            "fifo_registers": _fifo_registers(adapter.depth, pointer, shallow, setting),
            "flops": adapter.depth if setting.flow == "rtl" and 0 < adapter.depth <= FEW_WORDS else 0,
            "copied": float(adapter.copied),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        (bits,) = widths
        deep = ops.where(
            g.depth > 0, bram18(ops, g.word * bits, ops.maximum(g.depth, 1), setting.dsp_kind), 0.0 * g.word * bits
        )
        ring = distributed_ram(ops, g.word * bits, ops.maximum(g.ring, 1), 2, setting.fabric)
        luts, cells = (ops.where(g.ring > 0, amount, g.srl * g.word * bits) for amount in ring)
        registers = (g.collected + g.shifted) * bits + (c["fifo_ff_bit"] * g.fifo + g.flops) * g.word * bits
        counters = c["converter_control_ff"] * g.converters + c["converter_counter_ff"] * g.counters
        return Parts(
            LUT={
                "converters": ops.ceil(c["converter_bit"] * g.loaded * bits)
                + ops.ceil_fixed(c["converter_control"] * g.converters + c["converter_counter_bit"] * g.counters),
                "fifos": luts,
                "control": ops.ceil(
                    c["copy_control"] * g.copied + c["fifo_control"] * g.fifo + c["fifo_pointer_bit"] * g.pointer
                ),
            },
            FF=ops.ceil(registers + g.fifo_registers + counters + g.copied),
            BRAM18=deep,
            LUTRAM=ops.where(g.flops > 0, 0 * bits, cells),
            cycles=0,
        )


def _fifo_registers(depth: int, pointer: int, shallow: bool, setting: Setting) -> int:
    """FF that steer a FIFO; the word that leaves is in the memory.

    Of shift registers the place of the oldest word; of a ring both pointers, a bit more each, and whether one is out;
    of a ring in LUTs both pointers, and how many words it holds.

    Source: hwcost.synth.links.fifo.
    """
    if setting.flow == "hls" or not depth:
        return 2 * pointer
    if shallow and depth > FEW_WORDS and not setting.fabric.shifted:
        return 2 * pointer + depth.bit_length()
    return max(1, pointer) + 1 if shallow else 2 * pointer + 3


class ConcatFormula(LaneFormula[Concat]):
    """Streams taken in turn, PE channels per cycle: a multiplexer of up to four streams per LUT and bit.

    Error: reports/calibration/error.md, "concat".
    Source: Yosys 0.70.
    """

    def folds(self, block: Concat) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(gcd(*block.streams))]

    def widths(self, block: Concat) -> tuple[Tensor, ...]:
        return (widest(block.output).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Concat)
        return {
            "pe": fold.pe,
            "levels": -(-(len(block.streams) - 1) // (3 if setting.fabric.lut_inputs == 6 else 1)),
            "counter_bits": counter_bits(len(block.streams), max(block.streams) // fold.pe),
            "word_bits": counter_bits(max(block.streams) // fold.pe),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.pe * widths[0]
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"] + c["round_control"] * g.word_bits),
                "multiplexers": ops.ceil(c["concat_bit"] * g.levels * word),
            },
            FF=stream_registers(ops, word, setting) + g.counter_bits,
            cycles=g.cycles,
        )


class LabelSelectFormula(LaneFormula[LabelSelect]):
    """The index of the largest element, PE elements per cycle: comparators, the best so far and its index.

    Error: reports/calibration/error.md, "label".
    Source: Yosys 0.70; constants in coefficients.json.
    """

    def widths(self, block: LabelSelect) -> tuple[Tensor, ...]:
        return (widest(block.input).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, LabelSelect)
        index = max(1, (block.channels - 1).bit_length())
        return {"pe": fold.pe, "index": index, "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        (bits,) = widths
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["label_control"]),
                "comparators": ops.ceil(
                    (c["label_bit"] + c["label_lane_bit"] * (g.pe - 1)) * bits + c["label_index_bit"] * g.index
                ),
            },
            FF=ops.ceil(bits + 2 * g.index + 1),
            cycles=g.cycles,
        )
