"""Price of element-wise streams: sums of two branches, per-channel scale and bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hwcost.models import dsp, lut
from hwcost.models.formula import Fold, Formula, Job, Setting, divisors
from hwcost.models.memory import memory, style_index
from hwcost.models.relax import Arithmetic, Quantity
from hwcost.ranges import widest
from hwcost.spec import Adder, Saturate, ScaleBias


class AdderFormula(Formula):
    """Sum of two streams: one carry chain per channel in parallel.

    Error: LUT of 7 synthesized units: MAPE 12.3%, worst 22%; FF twice the measured, for a skid buffer that the
    synthesized RTL does not have (reports/calibration/error.md).
    Source: one carry chain; constants in coefficients.json.
    """

    def folds(self, block: Adder) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(block.channels)]

    def cycles(self, block: Adder, fold: Fold) -> int:
        return block.channels // fold.pe * block.vectors

    def widths(self, block: Adder) -> tuple[Tensor, ...]:
        return (widest(block.output).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Adder)
        return {"pe": fold.pe, "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
        c = setting.constants
        word = g.pe * widths[0]
        return {
            "LUT:control": ops.ceil_fixed(c["stream_control"] + 0 * g.pe),
            "LUT:adders": ops.ceil(c["adder_bit"] * word),
            "FF": ops.ceil(c["stream_ff_bit"] * word),
            "DSP": 0 * g.pe,
            "BRAM18": 0 * g.pe,
            "URAM": 0 * g.pe,
            "cycles": g.cycles,
        }


class SaturateFormula(Formula):
    """Clip of a stream: do the bits above the result all agree, and if not, select the nearest bound.

    Error: LUT of 9 synthesized units: MAPE 51.5%, worst 290% (10 LUT measured), median 1.17; FF as of an adder
    (reports/calibration/error.md).
    Source: structure: a LUT6 looks at five upper bits; one LUT per result bit selects.
    """

    def folds(self, block: Saturate) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(block.channels)]

    def cycles(self, block: Saturate, fold: Fold) -> int:
        return block.channels // fold.pe * block.vectors

    def widths(self, block: Saturate) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Saturate)
        return {"pe": fold.pe, "cycles": self.cycles(block, fold)}

    def law(self, ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
        c = setting.constants
        inputs, result = widths
        # a range that does not narrow is only selected; its slope is that of one that does
        cut = ops.where(ops.special(inputs <= result), 0 * inputs, inputs - result)
        return {
            "LUT:control": ops.ceil_fixed(c["stream_control"] + 0 * g.pe),
            "LUT:adders": ops.ceil(c["saturate_bit"] * g.pe * result + c["saturate_cut_bit"] * g.pe * cut),
            "FF": ops.ceil(c["stream_ff_bit"] * g.pe * result),
            "DSP": 0 * g.pe,
            "BRAM18": 0 * g.pe,
            "URAM": 0 * g.pe,
            "cycles": g.cycles,
        }


class ScaleBiasFormula(Formula):
    """Per-channel multiply and add, with the factors in a memory of channels / PE words.

    Error: LUT of 8 synthesized units: MAPE 6.4%, worst 14%; FF as of an adder (reports/calibration/error.md).
    Source: structure; multiplier as in `lut`.
    """

    def folds(self, block: ScaleBias) -> list[Fold]:
        return [Fold(pe=pe) for pe in divisors(block.channels)]

    def cycles(self, block: ScaleBias, fold: Fold) -> int:
        return block.channels // fold.pe * block.vectors

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
            "in_dsp": float(job.multipliers == "dsp"),
            "style": style_index(job.weight_memory, depth, setting.flow),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
        c = setting.constants
        inputs, weight, bias, outputs = widths
        in_lut, in_bram, in_uram = memory(ops, g.pe * (weight + g.biased * bias), g.depth, g.style)
        # neighbours multiply different inputs by different factors, so no two products share a slice
        slices = dsp.multipliers(ops, weight, inputs, 1 + 0 * g.pe, g.pe, narrow=0 * g.pe, kind=setting.dsp_kind)
        lane = lut.multiplier(ops, inputs, weight, c)
        return {
            "LUT:control": ops.ceil_fixed(c["stream_control"] + 0 * g.pe),
            "LUT:multipliers": ops.ceil(g.pe * lane * (1 - g.in_dsp)),
            "LUT:adders": ops.ceil(c["adder_bit"] * g.pe * outputs * g.biased),
            "LUT:weights": in_lut,
            "FF": ops.ceil(c["stream_ff_bit"] * g.pe * outputs),
            "DSP": slices * g.in_dsp,
            "BRAM18": in_bram,
            "URAM": in_uram,
            "cycles": g.cycles,
        }
