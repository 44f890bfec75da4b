"""Price of sliding windows with their line buffers, and of the pooling behind them."""

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Pool, Window
from hwcost.models.formulas import lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.memory import distributed_ram, memory, style_index
from hwcost.models.formulas.registers import padding_counters, pads, stream_registers, window_counters, window_words


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
    """Words of the cyclic buffer: what a window spans, and what arrives while the last window of a row is read.

    Args:
        block: the window.
        simd: channels per word; divides the channels.

    Error: none on the cycles that follow from it, in simulation (tests/build/test_window.py). FINN's window (dev
    73ba5ed) keeps up to a row less, and waits for it.
    Source: derived here: a word is kept until the window that it begins has been read.
    """
    axes, pitch = _axes(block), _pitches(block)
    span = 1 + sum((kernel - 1) * apart * way for (_, kernel, _, apart), way in zip(axes, pitch, strict=True))
    ahead, back = 0, 0  # how far the next window begins, where the loops inside come round
    for (_, _, stride, _), way, count in zip(reversed(axes), reversed(pitch), reversed(_windows(block)), strict=True):
        if count > 1:
            ahead = max(ahead, stride * way - back)
        back += (count - 1) * stride * way
    return (span + ahead) * (block.channels // simd)


def _windows(block: Window) -> tuple[int, ...]:
    """Windows along each dimension of `_axes`."""
    return block.output if len(block.output) > 1 else (1, *block.output)


def _pitches(block: Window) -> list[int]:
    """Pixels of the padded image from one to the next along each dimension."""
    sizes = [size for size, *_ in _axes(block)]
    return [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]


def _serial_cycles(block: Window, words: int) -> int:
    """Cycles of a frame where a cyclic buffer is read word by word.

    Whatever comes last sets the end, counted from 0: the last word of the image is written, or the last one of a window
    is read, a cycle after it came at the earliest.
    """
    axes, pitch = _axes(block), _pitches(block)
    inner, taps = 1 if block.depthwise else words, prod(block.kernel)
    end = prod(size for size, *_ in axes) * words - 1
    for corner in product(*({0, count - 1} for count in _windows(block))):
        pixel = sum(
            (at * stride + (kernel - 1) * apart) * way
            for at, (_, kernel, stride, apart), way in zip(corner, axes, pitch, strict=True)
        )
        before = 0
        for at, count in zip(corner, _windows(block), strict=True):
            before = before * count + at
        end = max(end, pixel * words + inner + ((prod(block.output) - before) * words - inner) * taps)
    return end + RESTART


def word_order(block: Window, fold: Fold) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Words of a padded image that belong to the image, and the words that are read, in order.

    Of a whole window that is shown at once, the words with which each one is complete.
    """
    axes, pitch, words = _axes(block), _pitches(block), block.channels // fold.simd
    inside = np.ones((), dtype=bool)
    corner = taps = np.zeros((), dtype=np.int64)
    flat = len(block.image) == 1
    gaps = (1,) * flat + (block.spread or (1,) * len(block.image))
    pads = ((0, 0),) * flat + block.padding
    for (size, kernel, stride, apart), way, gap, (before, after), count in zip(
        axes, pitch, gaps, pads, _windows(block), strict=True
    ):
        axis = np.zeros(size, dtype=bool)
        axis[before : size - after : gap] = True
        inside = inside[..., None] & axis
        corner = corner[..., None] + np.arange(count) * stride * way
        taps = taps[..., None] + np.arange(kernel) * apart * way
    word = np.arange(words)
    if fold.parallel_window:
        return np.repeat(inside.reshape(-1), words), (
            (corner.reshape(-1, 1) + taps.reshape(-1)[-1]) * words + word
        ).reshape(-1)
    inner = 1 if block.depthwise else words
    each = word.reshape(-1, 1, inner) + taps.reshape(-1, 1) * words  # products, taps, words of a product
    return np.repeat(inside.reshape(-1), words), (corner.reshape(-1, 1, 1, 1) * words + each).reshape(-1)


RESTART = 2
"""Cycles from the last word of an image to the first of the next. Source: hwcost.synth.window, simulated."""


class WindowFormula(Formula[Window]):
    """A sliding window: one cyclic buffer read pixel by pixel, or line buffers with all pixels in registers.

    HLS keeps kernel + stride whole lines instead of the cyclic buffer.

    Error: cycles exact in simulation of the generated RTL (tests/build/test_window.py), within 10 to 15 of FINN's; LUT
    of 68 synthesized units: MAPE 6.9% (reports/calibration/error.md); flow "hls" not measured. Of 12 windows of
    volumes, none of the fit: MAPE 11.7%, worst 24%.
    Source: structure as FINN's ConvolutionInputGenerator_rtl (dev 73ba5ed).
    """

    def folds(self, block: Window) -> list[Fold]:
        serial = [Fold(simd=simd) for simd in divisors(block.channels)]
        if len(block.image) > 2:  # a window of volumes is only read pixel by pixel
            return serial
        # a dense consumer of a whole window takes all channels at once
        wide = divisors(block.channels) if block.depthwise else [block.channels]
        return serial + [Fold(simd=simd, parallel_window=True) for simd in wide]

    def cycles(self, block: Window, fold: Fold) -> int:
        words = block.channels // fold.simd
        if fold.parallel_window:
            return prod(size for size, *_ in _axes(block)) * words
        return _serial_cycles(block, words)

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
        style = style_index("auto", depth, setting.flow)
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
            "registers": window_counters(block, fold, depth),
            "pads": float(pads(block)),
            "pad_counter_bits": padding_counters(block, fold),
            "pad_ends": float(sum(pad > 0 for pair in block.padding for pad in pair)),
            "held_words": window_words(block, fold, setting.fabric, in_lut=style == 0),
            "style": style,
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        word = g.simd * widths[0]
        in_lut, in_bram, _ = memory(ops, word, g.depth, g.style, setting.dsp_kind)
        cells = in_lut
        if setting.flow == "rtl":
            rams = zip(*(distributed_ram(ops, word, g.depth, ports, setting.fabric) for ports in (1, 2)), strict=True)
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
        # the walk around the image, and what stands there in the place of a word
        around = c["pad_counter_bit"] * g.pad_counter_bits + c["pad_end"] * g.pad_ends
        return Parts(
            LUT={
                "control": ops.ceil_fixed(ops.where(g.whole == 1, whole, serial) + around),
                "padding": ops.ceil(g.pads * word),
                "lines": g.buffers * in_lut,
            },
            FF=ops.ceil(
                g.registers + g.held_words * word if setting.flow == "rtl" else (c["stream_ff_bit"] + g.pixels) * word
            ),
            BRAM18=g.buffers * in_bram,
            LUTRAM=g.buffers * cells,
            cycles=g.cycles,
        )


class PoolFormula(Formula[Pool]):
    """Reduction of a window, one element per channel and cycle; all elements at once above PE = channels.

    Of a single channel (a row of a matrix that is summed up), any part of the elements at once.

    Error: LUT of 19 synthesized maxima: MAPE 11.6%, worst 64%; of 23 sums: 2.4%, worst 8%; FF exact
    (reports/calibration/error.md).
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
        tree = g.whole * c["adder_bit"] * lut.adder_tree(ops, g.window, inputs, setting.fabric)
        ends = setting.fabric.chain_end
        added = tree + g.running * (c["sum_bit"] * (inputs + g.levels) + ends)
        compared = (c["maximum_bit"] * (g.window - 1) + g.running * c["running_maximum_bit"]) * inputs
        compared += 2 * ends * (g.window - 1 + g.running)
        lane = ops.where(g.sums == 1, added, compared)
        return Parts(
            LUT={
                "control": ops.ceil_fixed(c["stream_control"] + c["round_control"] * g.round_bits),
                "reduction": ops.ceil(g.pe * lane),
            },
            FF=stream_registers(ops, g.pe * outputs, setting) + (g.round_bits if setting.flow == "rtl" else 0),
            cycles=g.cycles,
        )
