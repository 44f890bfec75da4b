"""Price of element-wise streams: sums of two branches, per-channel scale and bias."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from hwcost.graph.blocks import ChannelSum, Embedding, Multiplier, State, Table
from hwcost.graph.inverse import Inverse
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Adder, Concat, LabelSelect, Saturate, ScaleBias, Thresholds
from hwcost.models.formulas import dsp, lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.memory import memory, style_index
from hwcost.models.formulas.registers import stream_registers

Lanes = TypeVar(
    "Lanes",
    bound=Adder
    | ChannelSum
    | Concat
    | Embedding
    | Inverse
    | LabelSelect
    | Multiplier
    | Saturate
    | ScaleBias
    | State
    | Table
    | Thresholds,
)


class LaneFormula(Formula[Lanes]):
    """A stream of which PE channels pass in a cycle."""

    def folds(self, block: Lanes) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(block.channels)]

    def cycles(self, block: Lanes, fold: Fold) -> int:
        return block.channels // fold.pe * block.vectors


class AdderFormula(LaneFormula[Adder]):
    """Sum of two streams: one carry chain per channel in parallel.

    Above the narrower of two unsigned operands there is only the carry; a sign is extended, and takes LUTs.

    Error: LUT of 27 synthesized units: MAPE 5.3%, worst 20%; FF exact (reports/calibration/error.md).
    Source: one carry chain; constants in coefficients.json.
    """

    def widths(self, block: Adder) -> tuple[Tensor, ...]:
        left, right = widest(block.left), widest(block.right)
        return left.bits, right.bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Adder)
        return {"pe": fold.pe, "signed": float(adds_signed(block)), "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        left, right, outputs = widths
        word, part = g.pe * outputs, setting.fabric
        added = ops.where(g.signed == 1, ops.maximum(left, right), ops.minimum(left, right))
        if part.carry_cell > 1:
            added = lut.chain(ops, ops.maximum(left, right) + 1, part)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "adders": ops.ceil(c["adder_bit"] * g.pe * added),
            },
            FF=stream_registers(ops, word, setting),
            cycles=g.cycles,
        )


class SaturateFormula(LaneFormula[Saturate]):
    """Clip of a stream: do the bits above the result all agree, and if not, select the nearest bound.

    Error: LUT of 38 synthesized units: MAPE 28.7%, worst 550% (one bit cut off an unsigned result, which takes one LUT
    in all), median 1.00; of 10 kept back median 1.06; FF as of an adder (reports/calibration/error.md).
    Source: structure: a LUT6 looks at five upper bits; one LUT per result bit selects.
    """

    def widths(self, block: Saturate) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Saturate)
        return {"pe": fold.pe, "signed": float(clips_signed(block)), "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "adders": ops.ceil(g.pe * clip(ops, widths[0], widths[1], g.signed, setting)),
            },
            FF=stream_registers(ops, g.pe * widths[1], setting),
            cycles=g.cycles,
        )


def adds_signed(block: Adder) -> bool:
    """Whether an operand has a sign."""
    return bool((block.left.low < 0).any() or (block.right.low < 0).any())


def clips_signed(block: Saturate) -> bool:
    """Whether the result has a sign."""
    return bool((block.output.low < 0).any())


LOOK = 0.42
"""LUTs for each more of them, as a share of those for a bit of an unsigned result; of a signed one twice as many. Less
than a half, so that no bit of a result saves anything. Source: fit, as `saturate_bit`."""


def clip(ops: Arithmetic, inputs: Quantity, result: Quantity, signed: Quantity, setting: Setting) -> Quantity:
    """LUTs of one clip: each bit is selected, but for a sign, and many bits above must first be looked at.

    A signed result asks whether they are all alike, an unsigned one whether they are all zero: half of it.

    Error: see `SaturateFormula`. A single bit above an unsigned result resets the register, and takes one LUT in all.
    Source: structure as Yosys 0.70 builds it; constants in coefficients.json.
    """
    free = setting.fabric.lut_inputs - 2  # bits above that the LUT which selects a bit looks at itself
    few = ops.special(inputs + signed <= result + free)  # the slope is that of a longer look
    upper = ops.where(few, 0 * inputs, inputs + signed - result - free)
    return setting.constants["saturate_bit"] * (result - signed + (LOOK + LOOK * signed) * upper)


class ScaleBiasFormula(LaneFormula[ScaleBias]):
    """Price a multiplication and addition per channel, with the factors in a memory of channels / PE words.

    Error: LUT of 24 synthesized units: MAPE 6.5%, worst 15%; FF as of an adder (reports/calibration/error.md).
    Source: structure; multiplier as in `lut`.
    """

    def widths(self, block: ScaleBias) -> tuple[Tensor, ...]:
        inputs, weight = widest(block.input).bits, widest(block.weight).bits
        bias = torch.ones_like(inputs) if block.bias is None else widest(block.bias).bits
        return inputs, weight, bias, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, ScaleBias)
        depth = block.channels // fold.pe
        return {
            "pe": fold.pe,
            "depth": depth,
            "biased": float(block.bias is not None),
            "signed_input": float(block.input.signed),
            "unsigned_weight": float(not block.weight.signed),
            "in_dsp": float(job.multipliers == "dsp"),
            "style": style_index(job.weight_memory, depth, setting.flow),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        inputs, weight, bias, outputs = widths
        in_lut, in_bram, in_uram = memory(ops, g.pe * (weight + g.biased * bias), g.depth, g.style, setting.dsp_kind)
        # neighbours multiply different inputs by different factors, so no two products share a slice
        unsigned = (g.unsigned_weight, 1 - g.signed_input)
        slices = dsp.multipliers(ops, weight, inputs, 1, g.pe, narrow=0, unsigned=unsigned, kind=setting.dsp_kind)
        lane = lut.multiplier(ops, weight, inputs, g.signed_input, c, setting.fabric)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"]),
                "multipliers": ops.ceil(g.pe * lane * (1 - g.in_dsp)),
                "adders": ops.ceil(g.pe * g.biased * (c["adder_bit"] * outputs + setting.fabric.chain_end)),
                "weights": in_lut,
            },
            FF=stream_registers(ops, g.pe * outputs, setting),
            DSP=slices * g.in_dsp,
            BRAM18=in_bram,
            URAM=in_uram,
            LUTRAM=in_lut if setting.writable else 0 * in_lut,
            cycles=g.cycles,
        )
