"""Price of what is kept apart from weights of products: embeddings, and the state of recurrent layers."""

from collections.abc import Sequence

from torch import Tensor

from hwcost.graph.blocks import Embedding, State
from hwcost.graph.ranges import widest
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import LaneFormula
from hwcost.models.formulas.formula import Job, Parts, Setting
from hwcost.models.formulas.memory import bram18, distributed_ram, log_repeated, rom, style_index
from hwcost.models.formulas.registers import stream_registers


class EmbeddingFormula(LaneFormula[Embedding]):
    """A ROM of PE elements a word, and the counter over the words of a row.

    Error: as that of its memory, reports/calibration/error.md, "memory rom" and "memory bram18".
    Source: structure; a ROM above 64 words is block RAM.
    """

    def widths(self, block: Embedding) -> tuple[Tensor, ...]:
        return (widest(block.output).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Embedding)
        words = block.channels // fold.pe
        depth = block.rows * words
        return {
            "pe": fold.pe,
            "depth": depth,
            "in_lut": float(style_index("auto", depth, setting.flow) == 0),
            "repeated": log_repeated(depth),
            "counter": (words - 1).bit_length(),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.pe * widths[0]
        table = rom(ops, word, g.depth, g.repeated, setting.fabric)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"] + c["round_control"] * g.counter),
                "weights": ops.where(g.in_lut == 1, table, 0 * word),
            },
            FF=stream_registers(ops, word, setting),
            BRAM18=ops.where(g.in_lut == 1, 0 * word, bram18(ops, word, g.depth, setting.dsp_kind)),
            cycles=g.cycles,
        )


class StateFormula(LaneFormula[State]):
    """A RAM of PE elements a word, read in one step and written for the next, and its counter.

    Error: as that of its memory, reports/calibration/error.md, "memory spram" and "memory bram18".
    Source: structure; reading and writing share an address, because an element is replaced when it has been read.
    """

    def widths(self, block: State) -> tuple[Tensor, ...]:
        return (widest(block.input).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, State)
        depth = block.channels // fold.pe
        return {
            "pe": fold.pe,
            "depth": depth,
            "in_lut": float(style_index("auto", depth, setting.flow) == 0),
            "counter": (depth - 1).bit_length(),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.pe * widths[0]
        luts, cells = distributed_ram(ops, word, ops.maximum(g.depth, 2), 1, setting.fabric)
        small, deep = (g.depth > 1) & (g.in_lut == 1), g.in_lut == 0
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"] + c["round_control"] * g.counter),
                "state": ops.where(small, luts, 0 * word),
            },
            FF=stream_registers(ops, word, setting),
            BRAM18=ops.where(deep, bram18(ops, word, g.depth, setting.dsp_kind), 0 * word),
            LUTRAM=ops.where(small, cells, 0 * word),
            cycles=g.cycles,
        )
