"""Price of weights that arrive as a stream: a memory per row or column of lanes, written while another half is read."""

from hwcost.graph.spec import MatVec
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Setting
from hwcost.models.formulas.memory import bank_select, bram18, distributed_ram, style_index


def held_banks(block: MatVec, fold: Fold) -> int:
    """Memories: one for each PE where a word of the stream belongs to one row, for each SIMD lane where to a column."""
    return fold.simd if block.by_column else fold.pe


def held_geometry(block: MatVec, fold: Fold, setting: Setting) -> dict[str, float]:
    """Quantities that `held_weights` depends on besides the width of a weight; zeros where none are held."""
    if not block.held:
        return dict.fromkeys(
            ("held_depth", "held_banks", "held_lanes", "held_bits", "held_style", "held_select", "held_odd"), 0.0
        )
    banks = held_banks(block, fold)
    folds, words = block.rows // fold.pe, block.cols // fold.simd
    depth = 2 * block.held * folds * words
    loops = (words, folds, banks, block.held, block.held, block.vectors // block.held)
    style = style_index("auto", depth, setting.flow)
    lanes = fold.pe * fold.simd // banks
    stored = folds * words
    strides = [held_stride for held_stride in (2 * [block.held * stored] + 2 * [stored] * (block.held > 1))]
    strides += [words] if folds > 1 else []
    odd = sum(stride & (stride - 1) > 0 for stride in strides)
    return {
        "held_odd": odd * (depth - 1).bit_length(),
        "held_depth": depth,
        "held_banks": banks,
        "held_lanes": lanes,
        "held_bits": sum((size - 1).bit_length() for size in loops),
        "held_style": style,
        "held_select": bank_select(lanes, depth, "bram18", setting.dsp_kind) / lanes if style else 0.0,
    }


def held_weights(
    ops: Arithmetic, weight: Quantity, g: Geometry, setting: Setting
) -> tuple[Quantity, Quantity, Quantity, Quantity]:
    """LUT of memories, those of them that are RAM, BRAM18, and LUT of control: counters of both sides, write enables.

    Args:
        ops: arithmetic.
        weight: bits of one.
        g: with the numbers of `held_geometry`.
        setting: what all blocks share.

    Error: reports/calibration/error.md, "held rows" and "held cols".
    Source: structure as `synth.held` builds it; Yosys 0.70; constants in coefficients.json.
    """
    c = setting.constants
    bits, depth, none = g.held_lanes * weight, ops.maximum(g.held_depth, 2), 0 * g.held_lanes * weight
    exists, small = g.held_depth > 0, g.held_style == 0
    luts, cells = distributed_ram(ops, bits, depth, 2, setting.fabric)
    control = (
        c["held_control"]
        + c["held_counter_bit"] * g.held_bits
        + c["held_bank"] * g.held_banks
        + c["held_odd_bit"] * g.held_odd
    )
    return (
        ops.where(exists, g.held_banks * ops.where(small, luts, g.held_select * bits), none),
        ops.where(exists & small, g.held_banks * cells, none),
        ops.where(exists & (g.held_style == 1), g.held_banks * bram18(ops, bits, depth, setting.dsp_kind), none),
        ops.where(exists, ops.ceil_fixed(control), 0 * control),
    )
