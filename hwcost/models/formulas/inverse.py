"""Price of inverses that are looked up by their leading bits."""

from collections.abc import Sequence

from torch import Tensor

from hwcost.graph.inverse import Inverse
from hwcost.graph.ranges import widest
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import LaneFormula
from hwcost.models.formulas.formula import Job, Parts, Setting
from hwcost.models.formulas.memory import log_repeated, rom
from hwcost.models.formulas.registers import stream_registers

DEEP = 64
"""Words of a table above which the choice between its parts is priced, with the parts, per word."""


class InverseFormula(LaneFormula[Inverse]):
    """A shift to the leading one, a table of what stands behind it, a shift back.

    A shift has a stage for every bit of its distance; one stage of the first is as wide as what enters, one of the
    second as what leaves.

    Error: reports/calibration/error.md, "inverse reciprocal" and "inverse rsqrt".
    Source: structure as `synth.inverse` builds it; Yosys 0.70; constants in coefficients.json.
    """

    def widths(self, block: Inverse) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Inverse)
        table = block.table
        stages = table.most_shift.bit_length()
        depth = len(table.entries())
        return {
            "stages": stages,
            "back": max(0, stages - (block.kind == "rsqrt")),
            "words": depth,
            "deep": max(0.0, depth / DEEP - 1),
            "repeated": log_repeated(depth),
            "word": table.word_bits,
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        inputs, outputs = widths
        first = ops.minimum(ops.maximum(g.words, 2), DEEP)
        entries = ops.where(g.words > 1, rom(ops, g.word, first, g.repeated, setting.fabric), 0 * g.word)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "shifts": ops.ceil(c["shift_bit"] * inputs * g.stages + c["shift_back_bit"] * outputs * g.back),
                "tables": entries + ops.ceil_fixed(c["deep_entry_bit"] * g.word * g.deep),
            },
            FF=stream_registers(ops, outputs, setting),
            cycles=g.cycles,
        )
