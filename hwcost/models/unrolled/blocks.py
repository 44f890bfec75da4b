"""Everything but matrix products in an unrolled design: constant thresholds, pooling, adders, clips, windows.

A channel with a width of its own is priced at that width.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import ceil, log2, prod
from typing import Any, TypeVar, cast

from immutabledict import immutabledict
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Adder, Block, Concat, LabelSelect, Link, Pool, Saturate, ScaleBias, Thresholds, Window
from hwcost.models.formulas import lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import adds_signed, clip, clips_signed
from hwcost.models.formulas.formula import Job, Law, Parts, Setting
from hwcost.models.formulas.memory import memory, style_index
from hwcost.models.resources import RESOURCES
from hwcost.models.unrolled.signed_digits import expected_digits

FIRST_BITS = 4
"""Bits of an accumulator that a comparison with a constant gets for nothing. Source: fit, as `constant_comparator`."""

SHORT_BITS = 12
"""Widest accumulator that is compared with a constant in LUTs, without a carry chain. Source: Yosys 0.70."""

FUNCTIONS = 12
"""Different functions of a few bits that comparisons on carry chains are made of: what two of them have in common is
built once. Source: fit, as `constant_comparator`."""

ROM_BITS = 5
"""Output bits that a comparator's LUTs can look at in addition to the bit that they compare: LUT6."""


AFFINE = "affine"
"""Thresholds as a factor and an addend per channel, in front of a shift and a clip."""

B = TypeVar("B", bound=Block)
S = TypeVar("S", bound=Thresholds | Pool | Adder | Saturate | ScaleBias | Concat | LabelSelect)


class WiredLaw(Law[B]):
    """The price of a block that is built as a whole, as often as `Job.copies` says."""

    resources = (*RESOURCES, "levels")

    @abstractmethod
    def vectors(self, block: B) -> int:
        """Vectors (pixels) per inference, which the copies share."""

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        return {"cycles": ceil(self.vectors(cast(B, job.block)) / job.copies)}


class _Lanes(WiredLaw[S]):
    """A law of one element of a stream: one lane per channel and copy."""

    def vectors(self, block: S) -> int:
        return block.vectors

    def elements(self, job: Job) -> float:
        return float(job.copies * cast(S, job.block).channels)


class _Thresholds(_Lanes[Thresholds]):
    """Comparators with constants: one per threshold, their adder included, or one per output bit.

    A stage of a search looks its constant up by the output bits above it: in the LUTs of its comparator up to 5 bits,
    in a ROM of LUTs beyond. "affine" ones compare nothing: a factor of two signed digits, unless the block is shifted,
    an addend that rounds, a shift that drops bits, and a clip that keeps the rest in its range.

    Error: 20 synthesized sets of random thresholds, none of the fit: "parallel" MAPE 8.4%, "search" 8.0%, worst 23%
    both. All activations of a network together, against da4ml 0.6: shifted, 58 networks, MAPE 6.8%, worst 22%; the
    factors of 27, 8.1%, worst 31% (reports/benchmarks/unrolled.md). Random thresholds: reports/calibration/unrolled.md.
    Source: Yosys 0.70, da4ml 0.6; constants in coefficients.json. "search" and "parallel" above 5 output bits not
    measured.
    """

    def widths(self, block: Thresholds) -> tuple[Tensor, ...]:
        return block.input.bits, block.output.bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        return {"shifted": float(cast(Thresholds, job.block).shifted), **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        compared, bits = widths
        steps = ops.exp2(bits) - 1
        # in LUTs, the first of which takes several bits at once, or on a carry chain, parts of which neighbours share
        short = c["short_comparator"] * ops.maximum(compared - FIRST_BITS, compared / (FIRST_BITS + 1))
        is_short = ops.special(compared <= SHORT_BITS)
        one = ops.where(is_short, short, c["constant_comparator"] * compared)
        if setting.thresholds == AFFINE:
            built = ops.minimum(1, bits)
            factor = ops.where(g.shifted == 1, 0.0 * built, c["affine_bit"] * compared * built)
            logic = c["shifted_bit"] * bits + c["shifted_channel"] * built + factor
        elif setting.thresholds == "parallel":
            different = FUNCTIONS * (1 - ops.exp2(steps * log2(1 - 1 / FUNCTIONS)))
            encoder = c["constant_encoder"] * ops.maximum(2 * steps - bits - 2, 0)
            logic = ops.where(is_short, one * steps, one * different + encoder)
        else:
            first = ops.minimum(bits, 1)
            rom = ops.exp2(ops.maximum(bits - ROM_BITS, 0)) - 1
            logic = one * first + compared * (c["constant_stage"] * (bits - first) + rom)
        levels = 1 if setting.thresholds == AFFINE else bits
        return Parts(LUT={"comparators": logic}, FF=bits, cycles=g.cycles, levels=levels)


class _Pool(_Lanes[Pool]):
    """Reduction of a window at once: a tree of comparisons, or of adders."""

    def widths(self, block: Pool) -> tuple[Tensor, ...]:
        return block.input.bits, block.output.bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block = cast(Pool, job.block)
        if block.kind not in ("max", "sum"):
            raise BadOption(f"{job.layer}: pooling of kind {block.kind!r} has no formula; use 'max' or 'sum'")
        sums = float(block.kind == "sum")
        return {"window": prod(block.kernel), "sums": sums, **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        inputs, outputs = widths
        largest = c["maximum_bit"] * (g.window - 1) * inputs
        total = c["adder_bit"] * lut.adder_tree(ops, g.window, inputs, setting.fabric)
        logic = ops.where(g.sums == 1, total, largest)
        return Parts(LUT={"reduction": logic}, FF=outputs, cycles=g.cycles, levels=ops.ceil_log2(g.window))


class _Adder(_Lanes[Adder]):
    """One carry chain per element."""

    def widths(self, block: Adder) -> tuple[Tensor, ...]:
        return block.left.bits, block.right.bits, block.output.bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        return {"signed": float(adds_signed(cast(Adder, job.block))), **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        left, right, outputs = widths
        added = ops.where(g.signed == 1, ops.maximum(left, right), ops.minimum(left, right))
        return Parts(LUT={"adders": setting.constants["adder_bit"] * added}, FF=outputs, cycles=g.cycles, levels=1)


class _Saturate(_Lanes[Saturate]):
    """One clip per element, see `elementwise.clip`."""

    def widths(self, block: Saturate) -> tuple[Tensor, ...]:
        return block.input.bits, block.output.bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        return {"signed": float(clips_signed(cast(Saturate, job.block))), **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        inputs, outputs = widths
        logic = clip(ops, inputs, outputs, g.signed, setting)
        return Parts(LUT={"adders": logic}, FF=outputs, cycles=g.cycles, levels=1)


class _ScaleBias(_Lanes[ScaleBias]):
    """A constant factor per channel, by its expected digits, and a constant to add."""

    def widths(self, block: ScaleBias) -> tuple[Tensor, ...]:
        return widest(block.input).bits, block.weight.bits, block.output.bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        return {"biased": float(cast(ScaleBias, job.block).bias is not None), **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        inputs, weight, outputs = widths
        digits = expected_digits(weight)
        added = setting.constants["adder_bit"] * outputs * g.biased
        return Parts(
            LUT={"multipliers": digits * inputs, "adders": added}, FF=outputs, cycles=g.cycles, levels=digits + g.biased
        )


class _LabelSelect(WiredLaw[LabelSelect]):
    """A tree of comparisons, each of which passes the larger element and its index on."""

    def vectors(self, block: LabelSelect) -> int:
        return block.vectors

    def elements(self, job: Job) -> float:
        return job.copies

    def widths(self, block: LabelSelect) -> tuple[Tensor, ...]:
        return (widest(block.input).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        channels = cast(LabelSelect, job.block).channels
        return {"labels": channels, "index": (channels - 1).bit_length(), **super().geometry(job, setting)}

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        logic = (g.labels - 1) * (setting.constants["maximum_bit"] * widths[0] + g.index)
        return Parts(LUT={"comparators": logic}, FF=g.index, cycles=g.cycles, levels=g.index)


class _Concat(_Lanes[Concat]):
    """Wires: the blocks stand side by side."""

    def widths(self, block: Concat) -> tuple[Tensor, ...]:
        return (block.output.bits,)

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        return Parts(LUT={"wires": 0.0}, FF=0.0, cycles=g.cycles)


class _Link(WiredLaw[Link]):
    """Wires from one block to the next."""

    def vectors(self, block: Link) -> int:
        return 1

    def widths(self, block: Link) -> tuple[Tensor, ...]:
        return (widest(block.wire).bits,)

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        return Parts(LUT={"wires": 0.0}, FF=0.0, cycles=g.cycles)


class _Window(WiredLaw[Window]):
    """Line buffers as long as a line, split over the copies; the pixels of a window in registers."""

    def vectors(self, block: Window) -> int:
        return prod(size + before + after for size, (before, after) in zip(block.image, block.padding, strict=True))

    def widths(self, block: Window) -> tuple[Tensor, ...]:
        return (block.input.bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block = cast(Window, job.block)
        if len(block.image) > 2:
            raise BadOption(
                f"{job.layer}: a window of {len(block.image)} dimensions has no formula; lower it to 1 or 2"
            )
        plane = len(block.image) == 2
        rows, row_dilation = (block.kernel[0], block.dilation[0]) if plane else (1, 1)
        cols, col_dilation = block.kernel[-1], block.dilation[-1]
        width = block.image[-1] + sum(block.padding[-1])
        depth = ceil(width * row_dilation / job.copies)
        whole = job.copies >= self.vectors(block)  # the image is on wires: a window is only their choice
        span = (cols - 1) * col_dilation + job.copies
        return {
            "word": block.channels * job.copies,
            "depth": depth,
            "style": style_index("auto", depth, "rtl"),
            "built": float(not whole),
            "buffers": 0 if whole else rows - 1,
            "pixels": 0 if whole else rows * span / job.copies,
            **super().geometry(job, setting),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        word = g.word * widths[0]
        in_lut, in_bram, _ = memory(ops, word, g.depth, g.style, setting.dsp_kind)
        return Parts(
            LUT={"control": setting.constants["window_control"] * g.built, "lines": g.buffers * in_lut},
            FF=g.pixels * word,
            BRAM18=g.buffers * in_bram,
            LUTRAM=g.buffers * in_lut,
            cycles=g.cycles,
        )


WIRED: Mapping[type[Block], WiredLaw[Any]] = immutabledict(
    {
        Thresholds: _Thresholds(),
        Pool: _Pool(),
        Adder: _Adder(),
        Saturate: _Saturate(),
        ScaleBias: _ScaleBias(),
        LabelSelect: _LabelSelect(),
        Concat: _Concat(),
        Link: _Link(),
        Window: _Window(),
    }
)
"""The law of each kind of block; pass `wired=WIRED | {MyBlock: MyLaw()}` to add one."""
