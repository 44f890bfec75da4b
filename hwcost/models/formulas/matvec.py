"""Price of a matrix-vector unit: PE dot products of SIMD lanes, weights streamed from memory."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from hwcost.errors import BadFolding
from hwcost.graph.ranges import widest
from hwcost.graph.spec import MatVec
from hwcost.models.formulas import dsp, lanes, lut, memory
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Formula, Job, Parts, Setting, divisors
from hwcost.models.formulas.held import held_geometry, held_weights
from hwcost.models.formulas.stages import stage_geometry, stage_registers

MAX_STREAM_BITS = 8191
"""Widest stream that HLS units accept (ap_int); FINN keeps it for all. Source: finn-hlslib, FINN dev 73ba5ed."""


def fault(block: MatVec, fold: Fold, max_stream_bits: int | None = None) -> str | None:
    """Explain what forbids a fold; None if it is legal, with streams of any width unless a limit is given."""
    outputs = block.rows * block.groups
    if fold.parallel_window:
        return "parallel_window belongs to a sliding window, not to a matrix-vector unit"
    if block.cols % fold.simd:
        return f"SIMD={fold.simd} does not divide the {block.cols} inputs of a dot product"
    if outputs % fold.pe or (block.rows % fold.pe and fold.pe % block.rows):
        return f"PE={fold.pe} does not divide the {outputs} outputs (in {block.groups} group(s))"
    if block.groups > 1 and fold.simd > 1 and fold.pe != outputs:
        return f"SIMD={fold.simd} in a grouped unit needs PE={outputs} (all outputs), not {fold.pe}"
    if max_stream_bits is None:
        return None
    for name, bits in _streams(block, fold).items():
        if bits > max_stream_bits:
            return f"PE={fold.pe}, SIMD={fold.simd}: the {name} stream is {bits} bits wide, above {max_stream_bits}"
    return None


def check_streams(units: Mapping[str, MatVec], max_stream_bits: int) -> None:
    """Refuse a limit on streams that some unit exceeds in every folding."""
    need, name = 0, ""
    for unit, block in units.items():
        narrowest = min(max(_streams(block, fold).values()) for fold in MatVecFormula().folds(block))
        if narrowest > need:
            need, name = narrowest, unit
    if need > max_stream_bits:
        raise BadFolding(
            f"{name}: no legal folding: its narrowest has a stream of {need} bits; max_stream_bits={max_stream_bits}: "
            f"give at least {need}, or narrow its weights, inputs or accumulator"
        )


def _streams(block: MatVec, fold: Fold) -> dict[str, int]:
    weight, inputs, acc = (int(widest(r).bits.detach().ceil()) for r in (block.weight, block.input, block.acc))
    sharing = max(1, fold.pe // block.rows)
    return {
        "weight": fold.pe * fold.simd * weight,
        "input": fold.simd * inputs * sharing,
        "output": fold.pe * acc,
    }


class MatVecFormula(Formula[MatVec]):
    """A folded matrix-vector unit, RTL style: replay buffer, multipliers, adder tree, accumulators, weight memory.

    A unit that shares a stream pays its widest channel; zero weights save nothing in a folded unit, dead channels do:
    see `hwcost.quant.learn_channels`.

    Error: LUT of multipliers, adders and accumulators of 249 synthesized units: MAPE 3.6%, 3.9% of precisions never
    seen, 4.1% of 62 kept back (reports/calibration/error.md). Of 230 published units (Vivado 2020.1): MAPE 23.5% (flow
    "rtl", worst 58%: FINN's accumulators take a LUT more a bit than ours; with that 12.5%), 12.7% ("hls", worst 83%);
    leaving one precision out 8.3 to 22.8%, where that can be done (reports/calibration/published.md). FF of flow "rtl"
    are counted: exact on the units of built networks, a seventh of FINN's (reports/build); of 91 units of flow "hls":
    20%. Cycles exact but for a constant of 3 to 5.
    Source: physical form; constants in coefficients.json.
    """

    def folds(self, block: MatVec) -> list[Fold]:
        outputs = block.rows * block.groups
        every = (Fold(pe, simd) for pe in divisors(outputs) for simd in divisors(block.cols))
        return [fold for fold in every if fault(block, fold) is None]

    def cycles(self, block: MatVec, fold: Fold) -> int:
        return (block.weights // (fold.pe * fold.simd) + block.loop) * block.vectors

    def widths(self, block: MatVec) -> tuple[Tensor, ...]:
        return widest(block.weight).bits, widest(block.input).bits, widest(block.acc).bits

    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        block, fold = job.block, job.parallel
        assert isinstance(block, MatVec)
        weight, inputs = widest(block.weight), widest(block.input)
        products, words = fold.pe * fold.simd, block.cols // fold.simd
        stored = block.weights // products
        depth = 1 if block.held else stored
        banks = fold.pe if setting.weight_banks == "per_pe" else 1
        style = memory.style_index(job.weight_memory, depth, setting.flow, shared=setting.weight_banks == "shared")
        steps = memory.bank_steps(products // banks, depth, memory.STYLES[style], setting.dsp_kind)
        return {
            "pe": fold.pe,
            "simd": fold.simd,
            "cycles": self.cycles(block, fold),
            "depth": depth,
            "banks": banks,
            **{f"bank_step{bit}": step for bit, step in enumerate(steps, 1)},
            "input_depth": words,
            "input_lanes": fold.simd * max(1, fold.pe // block.rows),
            "replays": float(block.rows > fold.pe),
            **_passing(block, fold, memory.STYLES[style], setting),
            "replay_in_lutram": float(memory.style_index("auto", words, setting.flow) == 0),
            **counters((words, max(1, block.rows // fold.pe), stored)),
            **held_geometry(block, fold, setting),
            **stage_geometry(job, words, depth),
            "bipolar": float(weight.bipolar),
            "bipolar_input": float(inputs.bipolar),
            "signs": float(weight.signed and not weight.bipolar) + float(inputs.signed and not inputs.bipolar),
            "tree_levels": (fold.simd - 1).bit_length(),
            "unsigned_weight": float(not weight.signed),
            "unsigned_input": float(not inputs.signed),
            "narrow": float(bool((weight.low == -weight.high).all()) and not weight.bipolar),
            "in_dsp": float(job.multipliers == "dsp"),
            "style": style,
            "constant": float(not setting.writable),
            "repeated": memory.log_repeated(depth),
            "in_lutram": float(depth > 1 and memory.STYLES[style] == "lutram"),
            # of HLS, the shell has it: it is derived from a design whose weights are written
            "written": float(
                setting.writable
                and depth > 1
                and memory.STYLES[style] in (("uram",) if setting.flow == "hls" else memory.STYLES[:3])
            ),
            "write_address_bits": (depth - 1).bit_length() + (banks - 1).bit_length(),
            "streamed": float(setting.weight_banks == "shared" and depth > 1 and memory.STYLES[style] != "external"),
        }

    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        c = setting.constants
        weight, inputs, acc = widths
        lane, product = lanes.lane(ops, weight, inputs, g, setting)
        negative = lanes.negative(ops, weight, inputs, g, setting)
        tree = lut.adder_tree_bits(ops, g.simd, product)
        unsigned = (g.signs == 0) & (g.bipolar == g.bipolar_input)
        summed = ops.where(unsigned, ops.minimum(acc, product + g.tree_levels), acc)
        word = g.input_lanes * inputs
        replay = g.replays * g.input_depth * word
        weight_lut, weight_bram, weight_uram = memory.memory(
            ops, g.pe / g.banks * g.simd * weight, g.depth, g.style, setting.dsp_kind
        )
        table = memory.rom(ops, g.pe / g.banks * g.simd * weight, g.depth, g.repeated, setting.fabric)
        in_table = (g.in_lutram == 1) & (g.constant == 1)
        word_ff = g.pe * g.simd * weight
        word_ff = ops.where(in_table, g.banks * memory.columns(ops, word_ff / g.banks, g.depth, g.repeated), word_ff)
        weight_ram = ops.where(g.constant == 1, 0 * weight_lut, weight_lut)
        weight_lut = ops.where(in_table, table, weight_lut)
        replay_lut, replay_ram, replay_bram = _replay(ops, word, g, setting)
        port_lut, port_ff = memory.write_port(ops, g.pe / g.banks * g.simd * weight, g.write_address_bits, g.banks)
        held_lut, held_ram, held_bram, held_control = held_weights(ops, weight, g, setting)
        weight_word = g.streamed * g.pe * g.simd * weight
        ff = (
            c["ff_control"]
            + c["ff_counter_bit"] * g.counter_bits
            + c["ff_accumulator"] * g.pe * acc
            + c["ff_tree"] * g.pe * tree
            + c["ff_lutram_bit"] * g.in_lutram * g.pe * g.simd * weight
            + c["ff_input_lane"] * word
            + c["ff_replay_bit"] * replay
            + c["ff_weight_stream_bit"] * weight_word
            + g.held_word * word
            + g.written * port_ff
            + stage_registers(ops, (word_ff, word), product, acc, g)
        )
        no_sign = (g.unsigned_weight, g.unsigned_input)
        slices = dsp.multipliers(
            ops, weight, inputs, g.pe, g.simd, narrow=g.narrow, unsigned=no_sign, kind=setting.dsp_kind
        )
        return Parts(
            LUT={
                # to the nearest: three parts that are all rounded up would add a LUT or two to each small unit
                "multipliers": ops.round((g.pe * g.simd * lane + g.input_lanes * negative) * (1 - g.in_dsp)),
                "adders": ops.round(c["tree"] * g.pe * lut.adder_tree(ops, g.simd, product, setting.fabric)),
                "accumulators": ops.round(
                    g.pe
                    * (c["accumulator"] * summed + c["accumulator_carry"] * (acc - summed) + setting.fabric.chain_end)
                ),
                # what chooses a lane's sign passes a word on as well
                "replay": replay_lut + ops.where(g.bipolar == 1, 0 * word, g.passed * word),
                "inputs": ops.ceil(c["input_lane"] * word + c["replay_bit"] * replay),
                "weights": held_lut
                + held_control
                + g.banks * weight_lut
                + ops.ceil(g.banks * _bank_select(ops, weight, g) + c["weight_stream_bit"] * weight_word),
                "control": steering(ops, g, c) + g.address_bits + g.written * port_lut,
            },
            FF=ops.ceil(ff),
            DSP=slices * g.in_dsp,
            BRAM18=g.banks * weight_bram + replay_bram + held_bram,
            URAM=g.banks * weight_uram,
            LUTRAM=g.banks * weight_ram + replay_ram + held_ram,
            cycles=g.cycles,
        )


def counters(sizes: Sequence[int]) -> dict[str, float]:
    """Bits of counters of these sizes, and of those that do not come round by themselves."""
    bits = {size: (size - 1).bit_length() for size in sizes}
    return {
        "counter_bits": sum(bits[size] for size in sizes),
        "odd_counter_bits": sum(bits[size] for size in sizes if size & (size - 1)),
    }


def steering(ops: Arithmetic, g: Geometry, constants: Mapping[str, float]) -> Quantity:
    """LUTs of the counters of a unit and its handshake.

    Error: see "control" in reports/calibration/error.md. Source: a counter that is no power of two is compared with its
    end, and set back.
    """
    return ops.ceil_fixed(
        constants["mvu_control"]
        + constants["mvu_counter_bit"] * g.counter_bits
        + constants["mvu_odd_bit"] * g.odd_counter_bits
    )


def _passing(block: MatVec, fold: Fold, style: str, setting: Setting) -> dict[str, float]:
    """Multiplexers and registers around the memories of a unit of RTL.

    Where inputs are replayed, a multiplexer passes on what is stored just now, and a single word is a register. A block
    RAM answers a cycle later: a multiplexer per bit of its address looks ahead.

    Source: hwcost.build.matvec; one LUT per bit.
    """
    rtl, words = setting.flow == "rtl", block.cols // fold.simd
    depth = 1 if block.held else block.weights // (fold.pe * fold.simd)
    passed = rtl and block.rows > fold.pe
    deep = passed and memory.STYLES[memory.style_index("auto", words, "rtl")] != "lutram"
    late = rtl and depth > 1 and style == "bram18"
    return {
        "passed": float(passed),
        "held_word": float(passed and words == 1),
        "address_bits": late * (depth - 1).bit_length() + deep * (words - 1).bit_length(),
    }


def _replay(ops: Arithmetic, word: Quantity, g: Geometry, setting: Setting) -> tuple[Quantity, Quantity, Quantity]:
    """LUT, LUTRAM and BRAM18 of the buffer that shows an input vector again for every fold of the outputs.

    RTL passes a word on while it is stored, so that one address serves both. An HLS unit pays per bit.
    """
    if setting.flow == "hls":
        return 0 * word, 0 * word, 0 * word
    buffered = (g.replays == 1) & (g.input_depth > 1)
    small = buffered & (g.replay_in_lutram == 1)
    luts, cells = memory.distributed_ram(ops, word, g.input_depth, 1, setting.fabric)
    in_bram = memory.bram18(ops, word, g.input_depth, setting.dsp_kind)
    return (
        ops.where(small, luts, 0 * word),
        ops.where(small, cells, 0 * word),
        ops.where(buffered & (g.replay_in_lutram == 0), in_bram, 0 * word),
    )


def _bank_select(ops: Arithmetic, weight: Quantity, g: Geometry) -> Quantity:
    """LUTs behind one memory of weights that choose between its banks: step by step, as `bank_steps` says."""
    steps = [getattr(g, f"bank_step{bit}") for bit in range(1, memory.MOST_STEPS + 1)]
    whole = sum(steps)
    mean = whole / memory.MOST_STEPS * weight
    risen = sum(step * (weight >= bit) for bit, step in enumerate(steps, 1))
    return ops.where(ops.special(weight <= memory.MOST_STEPS), risen, mean)
