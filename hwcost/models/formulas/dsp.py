"""What multipliers cost in DSP slices: several products per slice when the operands are narrow."""

from __future__ import annotations

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity

DSP_KINDS = ("DSP48E1", "DSP48E2", "DSP58")
WEIGHT_PORT_BITS = {"DSP48E1": 25, "DSP48E2": 27, "DSP58": 27}
INPUT_PORT_BITS = {"DSP48E1": 18, "DSP48E2": 18, "DSP58": 24}


def multipliers(
    ops: Arithmetic,
    weight_bits: Quantity,
    input_bits: Quantity,
    pe: Quantity,
    simd: Quantity,
    *,
    narrow: Quantity,
    kind: str,
) -> Quantity:
    """DSP slices for pe * simd multiplications per cycle; products of different PE share a slice.

    Args:
        ops: arithmetic.
        weight_bits, input_bits: operand widths, at least 1; a width of 1 is coded in 2 bits.
        pe, simd: parallelism.
        narrow: 1 where the lowest weight code is never used, else 0; it saves one bit of the port.
        kind: one of DSP_KINDS.

    Returns:
        Slices; non-decreasing in both widths.

    Error: none on 33 synthesized units (reports/calibration/error.md). Equal to the slice count in FINN's RTL
    matrix-vector unit for 2 to 8 bits, but for one choice: where a DSP58 takes three products of 8 bits per slice (a
    dot product), this law takes the cheaper of both packings.
    Source: lanes of finn-rtllib/mvu/mvu.sv, FINN dev 73ba5ed.
    """
    weight = ops.where(ops.special(weight_bits < 2), 2.0, weight_bits)
    inputs = ops.where(ops.special(input_bits < 2), 2.0, input_bits)
    port = WEIGHT_PORT_BITS[kind]
    lanes = ops.maximum(1 + ops.floor((port - (1 - narrow) - weight) / (weight + inputs - 1)), 1.0)
    pieces = ops.maximum(ops.ceil(weight / port), 1.0) * ops.maximum(ops.ceil(inputs / INPUT_PORT_BITS[kind]), 1.0)
    slices = ops.ceil(pe / lanes) * simd * pieces
    if kind == "DSP58":
        short = ops.special((weight <= 8) & (inputs <= 8))
        slices = ops.where(short, ops.minimum(slices, pe * ops.ceil_fixed(simd / 3)), slices)
    return slices
