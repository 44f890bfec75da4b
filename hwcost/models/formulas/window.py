"""Price of sliding windows with their line buffers, and of the pooling behind them."""

from collections.abc import Sequence
from math import prod

from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Pool, Window
from hwcost.models.formulas import lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.memory import distributed_ram, memory, style_index


def _axes(block: Window) -> tuple[tuple[int, int, int, int], ...]:
    """(padded size, kernel, stride, dilation) of each dimension; a 1-d window is one row high."""
    axes = tuple(
        (size + before + after, kernel, stride, dilation)
        for size, (before, after), kernel, stride, dilation in zip(
            block.image, block.padding, block.kernel, block.stride, block.dilation, strict=True
        )
    )
    return axes if len(axes) > 1 else ((1, 1, 1, 1), *axes)


def buffer_words(block: Window, simd: int) -> int:
    """Words of the cyclic buffer: the lines that a window spans, less what has not arrived yet.

    Args:
        block: the window.
        simd: channels per word; divides the channels.

    Error: none; the depth of the buffer in FINN's RTL window (dev 73ba5ed).
    Source: ConvolutionInputGenerator_rtl of FINN dev 73ba5ed, default style.
    """
    axes, taps = _axes(block), prod(block.kernel)
    words, skipped, inner = 1, 0, 1
    for size, kernel, stride, dilation in reversed(axes):  # the innermost first
        words += (kernel - 1) * dilation * inner
        skipped += max(0, (stride - 1) * inner - taps)
        inner *= size
    return (words + skipped) * (block.channels // simd)


def _outer(block: Window) -> tuple[int, ...]:
    """Windows along each dimension but the last; a 1-d window is one row high."""
    return block.output[:-1] or (1,)


class WindowFormula(Formula[Window]):
    """A sliding window: one cyclic buffer read pixel by pixel, or line buffers with all pixels in registers.

    HLS keeps kernel + stride whole lines instead of the cyclic buffer.

    Error: cycles within 10 to 15 of FINN's RTL simulation for the default style; LUT of 68 synthesized units: MAPE 6.9%
    (reports/calibration/error.md); flow "hls" not
    measured. Of 12 windows of volumes, none of the fit: MAPE 11.7%, worst 24%.
    Source: structure and cycles of FINN's ConvolutionInputGenerator_rtl (dev 73ba5ed).
    """

    def folds(self, block: Window) -> list[Fold]:
        serial = [Fold(simd=simd) for simd in divisors(block.channels)]
        if len(block.image) > 2:  # a window of volumes is only read pixel by pixel
            return serial
        # a dense consumer of a whole window takes all channels at once
        wide = divisors(block.channels) if block.depthwise else [block.channels]
        return serial + [Fold(simd=simd, parallel_window=True) for simd in wide]

    def cycles(self, block: Window, fold: Fold) -> int:
        axes, words = _axes(block), block.channels // fold.simd
        if fold.parallel_window:
            return prod(size for size, *_ in axes) * words + 2
        pace = prod(block.kernel) * words * block.output[-1]
        passed = axes[-1][0] * words
        for (size, _, stride, _), pixels in zip(reversed(axes[:-1]), reversed(_outer(block)), strict=True):
            pace = pixels * max(pace, stride * passed)  # a line of windows, or the lines that enter meanwhile
            passed *= size
        return buffer_words(block, fold.simd) + pace

    def widths(self, block: Window) -> tuple[Tensor, ...]:
        return (widest(block.input).bits,)

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Window)
        axes = _axes(block)
        words = block.channels // fold.simd
        sides = (words, *(size for size, *_ in axes))
        line = prod(sides) // axes[0][0]
        (_, rows, step, apart), taps = axes[0], prod(block.kernel)
        if fold.parallel_window:
            depth, buffers = line * apart, rows - 1
        elif setting.flow == "hls":
            depth, buffers = line, rows + step
        else:
            depth, buffers = buffer_words(block, fold.simd), 1
        loops = (block.channels // fold.simd, *block.kernel, *block.output)
        return {
            "simd": fold.simd,
            "whole": float(fold.parallel_window),
            "image_bits": float(sum((size - 1).bit_length() for size in sides)),
            "phase_bits": float(sum((step - 1).bit_length() for step in block.stride)),
            "odd_sides": float(sum(size & (size - 1) > 0 for size in sides)),
            "loop_bits": float(sum((size - 1).bit_length() for size in loops)),
            "depth": depth,
            "buffers": buffers,
            "pixels": taps if fold.parallel_window else 1,
            "style": style_index("auto", depth, setting.flow),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.simd * widths[0]
        in_lut, in_bram, _ = memory(ops, word, g.depth, g.style, setting.dsp_kind)
        cells = in_lut
        if setting.flow == "rtl":
            rams = zip(*(distributed_ram(ops, word, g.depth, ports) for ports in (1, 2)), strict=True)
            in_lut, cells = (ops.where(g.style == 0, ops.where(g.whole == 1, *both), 0 * word) for both in rams)
        serial = (
            c["window_control"] + c["window_address_bit"] * ops.ceil_log2(g.depth) + c["window_loop_bit"] * g.loop_bits
        )
        whole = (
            c["window_whole_control"]
            + c["window_image_bit"] * g.image_bits
            + c["window_phase_bit"] * g.phase_bits
            + c["window_odd_side"] * g.odd_sides
        )
        return Parts(
            LUT={
                "control": ops.ceil_fixed(ops.where(g.whole == 1, whole, serial)),
                "lines": g.buffers * in_lut,
            },
            FF=ops.ceil((c["stream_ff_bit"] + g.pixels) * word),
            BRAM18=g.buffers * in_bram,
            LUTRAM=g.buffers * cells,
            cycles=g.cycles,
        )


class PoolFormula(Formula[Pool]):
    """Reduction of a window, one element per channel and cycle; all elements at once above PE = channels.

    Of a single channel (a row of a matrix that is summed up), any part of the elements at once.

    Error: LUT of 19 synthesized maxima: MAPE 11.6%, worst 64%; of 23 sums: 2.4%, worst 8%; FF 1.5 and 1.7 times the
    measured (reports/calibration/error.md).
    Source: one compare and select (max), or one adder (sum), per lane.
    """

    def folds(self, block: Pool) -> list[Fold]:
        window = prod(block.kernel)
        if block.channels == 1:  # rows that are reduced, as those of a matrix
            return [Fold(simd=simd) for simd in divisors(window)]
        whole = [Fold(pe=block.channels, simd=window)] if window > 1 else []
        return [Fold(pe=pe) for pe in divisors(block.channels)] + whole

    def cycles(self, block: Pool, fold: Fold) -> int:
        return block.channels // fold.pe * (prod(block.kernel) // fold.simd) * block.vectors

    def widths(self, block: Pool) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Pool)
        if block.kind not in ("max", "sum"):
            raise BadOption(f"{job.layer}: pooling of kind {block.kind!r} has no formula; use 'max' or 'sum'")
        return {
            "pe": fold.pe,
            "window": fold.simd,
            "whole": float(fold.simd > 1),
            "running": float(fold.simd < prod(block.kernel) or fold.simd == 1),
            "levels": (fold.simd - 1).bit_length(),
            "sums": float(block.kind == "sum"),
            "round_bits": (prod(block.kernel) // fold.simd - 1).bit_length(),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        inputs, outputs = widths
        tree = g.whole * c["adder_bit"] * lut.adder_tree(ops, g.window, inputs)
        added = tree + g.running * c["sum_bit"] * (inputs + g.levels)
        compared = (c["maximum_bit"] * (g.window - 1) + g.running * c["running_maximum_bit"]) * inputs
        lane = ops.where(g.sums == 1, added, compared)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"] + c["round_control"] * g.round_bits),
                "reduction": ops.ceil(g.pe * lane),
            },
            FF=ops.ceil(c["stream_ff_bit"] * g.pe * outputs),
            cycles=g.cycles,
        )
