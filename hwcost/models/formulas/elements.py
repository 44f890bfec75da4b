"""Price of what treats each element on its own: products of two streams, tables of codes, a sum per channel."""

from collections.abc import Sequence

from torch import Tensor

from hwcost.graph.blocks import ChannelSum, Multiplier, Table
from hwcost.graph.ranges import widest
from hwcost.models.formulas import dsp, lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import LaneFormula
from hwcost.models.formulas.formula import Job, Parts, Setting
from hwcost.models.formulas.memory import distributed_ram, lutram
from hwcost.models.formulas.registers import stream_registers


class MultiplierFormula(LaneFormula[Multiplier]):
    """Element-wise product of two streams: a multiplier per lane, in LUTs or in DSP slices.

    Error: LUT of 24 synthesized units: reports/calibration/error.md, "multiplier".
    Source: multiplier as in `lut`; no two products share a slice.
    """

    def widths(self, block: Multiplier) -> tuple[Tensor, ...]:
        return widest(block.left).bits, widest(block.right).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Multiplier)
        return {
            "pe": fold.pe,
            "unsigned_left": float(not block.left.signed),
            "unsigned_right": float(not block.right.signed),
            "in_dsp": float(job.multipliers == "dsp"),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        left, right, outputs = widths
        unsigned = (g.unsigned_left, g.unsigned_right)
        slices = dsp.multipliers(ops, left, right, 1, g.pe, narrow=0, unsigned=unsigned, kind=setting.dsp_kind)
        lane = lut.multiplier(ops, left, right, 2 - g.unsigned_left - g.unsigned_right, c, setting.fabric)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "multipliers": ops.ceil(g.pe * lane * (1 - g.in_dsp)),
            },
            FF=stream_registers(ops, g.pe * outputs, setting),
            DSP=slices * g.in_dsp,
            cycles=g.cycles,
        )


class TableFormula(LaneFormula[Table]):
    """A function of one code: a memory in LUTs for each PE, because the code is its address.

    Error: LUT of 36 synthesized units: reports/calibration/error.md, "table"; random words are met, those of a smooth
    curve take up to a fifth less, which is not counted.
    Source: one LUT per output bit and 64 words, as `memory.lutram`.
    """

    def widths(self, block: Table) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Table)
        return {"pe": fold.pe, "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        address, bits = widths
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "tables": ops.ceil(g.pe * table(ops, address, bits, setting)),
            },
            FF=stream_registers(ops, g.pe * bits, setting),
            cycles=g.cycles,
        )


SHALLOW_BITS = 6
"""Bits of an address up to which the words of a table hardly ever take fewer LUTs than random ones."""


def table(ops: Arithmetic, address: Quantity, bits: Quantity, setting: Setting) -> Quantity:
    """LUTs of one table of 2^address words: what holds 64 of them, at least one per bit; then some for each 64 more.

    Error: see `TableFormula`.
    Source: UG574, ROM64X1; multiplexers of the slice join 4 of them for nothing. Yosys 0.70 builds curves of more words
    from fewer LUT4 than there are words for; constants in coefficients.json.
    """
    part = setting.fabric
    words = ops.exp2(ops.maximum(address, 1.0 * part.lut_inputs))
    shallow = ops.exp2(ops.minimum(ops.maximum(address, 1.0 * part.lut_inputs), 1.0 * SHALLOW_BITS))
    deep = ops.maximum(words / 2**SHALLOW_BITS - 1, 0 * words)
    return lutram(ops, bits, 1.0 * shallow, part) + setting.constants["deep_table_bit"] * bits * deep


class ChannelSumFormula(LaneFormula[ChannelSum]):
    """Sum over all pixels: an adder per lane, and a LUT RAM with the sums of the channels that take turns.

    Where carry cells have no input to spare, a LUT more for each bit begins with 0.

    Error: LUT of 20 synthesized units: reports/calibration/error.md, "channel_sum".
    Source: structure; constants in coefficients.json.
    """

    def widths(self, block: ChannelSum) -> tuple[Tensor, ...]:
        return (widest(block.output).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, ChannelSum)
        depth = block.channels // fold.pe
        counters = (depth - 1).bit_length() + (block.vectors - 1).bit_length()
        return {"pe": fold.pe, "depth": depth, "counter_bits": counters, "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word, part = g.pe * widths[0], setting.fabric
        luts, cells = distributed_ram(ops, word, g.depth, 1, setting.fabric)
        held = g.depth > 1
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["sum_control"] + c["sum_counter_bit"] * g.counter_bits),
                "adders": ops.ceil(c["adder_bit"] * word + (part.chain_end > 0) * word + part.chain_end * g.pe),
                "sums": ops.where(held, luts, 0 * luts),
            },
            FF=stream_registers(ops, word, setting) + g.counter_bits,
            LUTRAM=ops.where(held, cells, 0 * cells),
            cycles=g.cycles,
        )
