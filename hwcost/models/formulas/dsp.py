"""DSP slices of multipliers: several products per slice when the operands are narrow."""

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity
from hwcost.models.formulas.fabric import FABRICS

DSP_KINDS = tuple(FABRICS)


def multipliers(
    ops: Arithmetic,
    weight_bits: Quantity,
    input_bits: Quantity,
    pe: Quantity,
    simd: Quantity,
    *,
    narrow: Quantity,
    unsigned: tuple[Quantity, Quantity],
    kind: str,
) -> Quantity:
    """DSP slices for pe * simd multiplications per cycle; products of different PE share a slice.

    Weights stand on the wide port, where several of them share an input, or the operands change ports. An unsigned
    operand takes one bit more of a port than it has itself. One that is wider than its port is cut into pieces.

    Args:
        ops: arithmetic.
        weight_bits, input_bits: operand widths, at least 1; a width of 1 is coded in 2 bits.
        pe, simd: parallelism.
        narrow: 1 where the lowest weight code is never used, else 0; it saves one bit of the port.
        unsigned: 1 where the weights, or the inputs, have no sign, else 0.
        kind: one of DSP_KINDS.

    Returns:
        Slices; non-decreasing in both widths.

    Error: none on 33 synthesized units (reports/calibration/error.md). Equal to the slice count in FINN's RTL
    matrix-vector unit for 2 to 8 bits, but for one choice: where a DSP58 takes three products of 8 bits per slice (a
    dot product), this law takes the cheaper of both packings.
    Of an operand in pieces Yosys 0.70 never changes the ports, so that it takes 4 slices instead of 2 for 28 x 19 bits.
    Source: lanes of finn-rtllib/mvu/mvu.sv, FINN dev 73ba5ed; ports in `fabric.FABRICS`.
    """
    weight = ops.where(ops.special(weight_bits < 2), 2.0, weight_bits)
    inputs = ops.where(ops.special(input_bits < 2), 2.0, input_bits)
    part = FABRICS[kind]
    wide, small = part.wide_port, part.narrow_port
    signed_weight, signed_inputs = (
        ops.maximum(bits + sign, 2.0) for bits, sign in zip((weight_bits, input_bits), unsigned, strict=True)
    )

    def pieces(bits: Quantity, port: int, cut: int) -> Quantity:
        return ops.where(ops.special(bits <= port), 1.0, ops.maximum(ops.ceil((bits - 1) / cut), 1.0))

    pitch = ops.maximum(weight + inputs - 1, 1.0)  # smooth widths of pruned weights reach 0
    lanes = ops.maximum(1 + ops.floor((wide - (1 - narrow) - weight) / pitch), 1.0)
    long, short = part.wide_cut, part.narrow_cut
    straight = ops.ceil(pe / lanes) * simd * pieces(signed_weight, wide, long) * pieces(signed_inputs, small, short)
    swapped = pe * simd * pieces(signed_inputs, wide, long) * pieces(signed_weight, small, short)
    slices = ops.minimum(straight, swapped)
    if kind == "DSP58":
        bytes_only = ops.special((weight <= 8) & (inputs <= 8))
        slices = ops.where(bytes_only, ops.minimum(slices, pe * ops.ceil_fixed(simd / 3)), slices)
    return slices
