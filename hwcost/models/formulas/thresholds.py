"""Price of quantized activations: comparators, and thresholds that double in number with every output bit."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from hwcost.graph.ranges import widest
from hwcost.graph.spec import Thresholds
from hwcost.models.formulas import lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.elementwise import LaneFormula
from hwcost.models.formulas.formula import Job, Parts, Setting
from hwcost.models.formulas.memory import bram18, distributed_ram, lutram
from hwcost.models.formulas.stages import OPERANDS

MOST_LUTRAM = 64
"""Words of thresholds that are kept in LUT RAM. Source: the LUT RAM of LFC-W1A1 (2,314 LUT) and of CNV-W1A1 (1,578) in
BNN-PYNQ is that of their thresholds (2,048 and 1,536 LUT by this rule), up to 64 words deep."""

ABSORBED = 16
"""Words of constants that the LUTs of a comparator look up themselves. Source: Yosys 0.70, thresholds chosen by up to
four bits (`constant_stage` in coefficients.json)."""

FREE, HALVED = 8, 16
"""Words of constants that a comparator of flow "rtl" looks up for nothing, and in part: a LUT6 has two inputs for the
number and four for the address. Source: Yosys 0.70; FINN's RTL reads every word from a memory of its own."""


class ThresholdsFormula(LaneFormula[Thresholds]):
    """Multi-threshold activation, PE channels per cycle.

    `Setting.thresholds` chooses the structure: "parallel" compares with all 2^bits - 1 thresholds at once, "search"
    is a pipeline of one comparator per output bit, each with a memory of its own, twice as deep as the one before.
    Each memory is LUT RAM up to 64 words and BRAM18 above, whatever its width.

    Error: LUT of 83 synthesized units with variable thresholds: MAPE 4.2%, worst 24% (reports/calibration/error.md).
    Source: Yosys 0.70; storage as in FINN's Thresholding_rtl.
    """

    def widths(self, block: Thresholds) -> tuple[Tensor, ...]:
        return widest(block.input).bits, widest(block.output).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, Thresholds)
        depth = block.channels // fold.pe
        return {
            "pe": fold.pe,
            "depth": depth,
            "channel_bits": (depth - 1).bit_length(),
            "cut": float(OPERANDS in job.cuts),
            "cycles": self.cycles(block, fold),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        structure = _search if setting.thresholds == "search" else _parallel
        compared, bits = widths
        counter = c["fold_counter_bit" if _written(setting) else "table_counter_bit"]
        control = ops.ceil_fixed(c["thresholds_control"] + counter * g.channel_bits)
        found = structure(ops, compared, bits, g, setting)
        return replace(found, LUT={"control": control, **found.LUT})


def _written(setting: Setting) -> bool:
    """Whether thresholds of flow "rtl" are in memories that can be written, and not in tables of constants."""
    return setting.writable or setting.flow == "hls"


def _words(ops: Arithmetic, width: Quantity, depth: Quantity, setting: Setting) -> Quantity:
    """LUTs that hold at most MOST_LUTRAM words of thresholds: one bank, so that none of them chooses between banks."""
    if setting.flow == "hls":
        return lutram(ops, width, depth, setting.fabric)
    if setting.writable:
        return distributed_ram(ops, width, depth, 2, setting.fabric)[0]
    some = setting.constants["table_bit"] * width
    held = ops.where(depth <= HALVED, some, lutram(ops, width, depth, setting.fabric))
    return ops.where(depth <= FREE, 0.0 * width * depth, held)


def _ram(luts: Quantity, setting: Setting) -> Quantity:
    """LUTs of `_words` that are RAM: none where they are constants."""
    return luts if setting.writable else 0 * luts


def _parallel(ops: Arithmetic, compared: Quantity, bits: Quantity, g: Geometry, setting: Setting) -> Parts:
    c = setting.constants
    steps = ops.exp2(bits) - 1
    width = g.pe * steps * compared
    none = 0 * width
    least = ABSORBED if setting.flow == "hls" and not setting.writable else 1
    small = (g.depth > least) & (g.depth <= MOST_LUTRAM)
    if setting.flow == "hls":  # a memory per PE and threshold
        deep = g.pe * steps * bram18(ops, compared, g.depth, setting.dsp_kind)
    else:
        deep = bram18(ops, width, g.depth, setting.dsp_kind)
    held = ops.ceil(ops.where(small, _words(ops, width, g.depth, setting), none))
    return Parts(
        LUT={
            "comparators": ops.ceil(g.pe * lut.comparators(ops, steps, compared, c, setting.fabric)),
            "thresholds": held,
        },
        LUTRAM=_ram(held, setting),
        FF=ops.ceil(_parallel_registers(ops, compared, bits, g, setting)),
        BRAM18=ops.where(g.depth > MOST_LUTRAM, deep, none),
        cycles=g.cycles,
    )


def _search(ops: Arithmetic, compared: Quantity, bits: Quantity, g: Geometry, setting: Setting) -> Parts:
    c = setting.constants

    def stored(stage: Quantity) -> Quantity:
        depth = g.depth * ops.exp2(stage)
        small = (depth > 1) & (depth <= MOST_LUTRAM)
        return ops.where(small, _words(ops, compared, depth, setting), 0.0 * compared * depth)

    def blocks(stage: Quantity) -> Quantity:
        depth = g.depth * ops.exp2(stage)
        return ops.where(depth > MOST_LUTRAM, bram18(ops, compared, depth, setting.dsp_kind), 0.0 * compared * depth)

    # the address of a stage depends on the data, so every PE reads a memory of its own
    held = ops.ceil(g.pe * ops.sum_stages(bits, stored))
    return Parts(
        LUT={
            "comparators": ops.ceil(g.pe * bits * (c["search_bit"] * compared + 2 * setting.fabric.chain_end)),
            "thresholds": held,
        },
        LUTRAM=_ram(held, setting),
        FF=ops.ceil(_search_registers(ops, compared, bits, g, setting)),
        BRAM18=g.pe * ops.sum_stages(bits, blocks),
        cycles=g.cycles,
    )


def _parallel_registers(ops: Arithmetic, compared: Quantity, bits: Quantity, g: Geometry, setting: Setting) -> Quantity:
    """The codes, the counter of the channels; while a block RAM reads, the inputs and which codes are turned around."""
    if setting.flow == "hls":
        return setting.constants["stream_ff_bit"] * g.pe * bits
    word = 1 + g.pe * (compared + 1)
    waiting = ops.where(g.depth > MOST_LUTRAM, word, 0.0 * word)
    cut = (g.cut == 1) & (g.depth > 1) & (g.depth <= MOST_LUTRAM)
    waiting = ops.where(cut, word + g.pe * compared * (ops.exp2(bits) - 1), waiting)
    return g.pe * bits + 1 + g.channel_bits + waiting


def _search_registers(ops: Arithmetic, compared: Quantity, bits: Quantity, g: Geometry, setting: Setting) -> Quantity:
    """Each stage but the last hands on the inputs, the bits found so far and the channel; a block RAM takes a stage.

    The channel goes along to the end, where codes of some channels are turned around; where none is, nobody asks for it
    behind a block RAM of the last stage, which is not counted. A register behind each table in LUTs takes a stage, too.

    Error: none without those; of tables of up to 8 words with them, equal columns share registers: up to 21% less.
    Source: hwcost.synth.threshold_tables.
    """
    if setting.flow == "hls":
        return g.pe * (bits * (compared + bits) + setting.constants["stream_ff_bit"] * bits)
    channel = g.channel_bits

    def waiting(stage: Quantity) -> Quantity:
        word = g.pe * (compared + stage) + channel + 1
        depth = g.depth * ops.exp2(stage)
        cut = (g.cut == 1) & (depth > 1) & (depth <= MOST_LUTRAM)
        return ops.where(depth > MOST_LUTRAM, word, 0.0 * word) + ops.where(cut, word + g.pe * compared, 0.0 * word)

    handed = (bits - 1) * (g.pe * compared + channel) + g.pe * bits * (bits + 1) / 2
    return channel + bits + handed + ops.sum_stages(bits, waiting)
