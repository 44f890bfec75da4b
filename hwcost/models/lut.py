"""What arithmetic costs in LUTs, by its physical form: rows of carry chains, adder trees, comparators."""

from __future__ import annotations

from collections.abc import Mapping

from hwcost.models.relax import Arithmetic, Quantity

Constants = Mapping[str, float]

GENERIC_BITS = 6
"""Operands of so many bits together are multiplied in LUTs of their own, without carry chains."""


def adder_tree_bits(ops: Arithmetic, terms: Quantity, product_bits: Quantity) -> Quantity:
    """Result bits of all adders of a balanced tree.

    Error: none for a power of two of terms; at most 1 bit per unbalanced level else.
    Source: adders of level i are product_bits + i wide.
    """
    return (terms - 1) * product_bits + 2 * terms - ops.ceil_log2(terms) - 2


def adder_tree(ops: Arithmetic, terms: Quantity, product_bits: Quantity) -> Quantity:
    """Carry chain of all adders of a balanced tree: the highest bit of a sum is the carry, which takes no LUT.

    Error: as `adder_tree_bits`.
    Source: Yosys 0.70: the sum of two equal operands takes as many LUTs as one of them has bits.
    """
    return adder_tree_bits(ops, terms, product_bits) - (terms - 1)


def multiplier(ops: Arithmetic, a_bits: Quantity, b_bits: Quantity, signed: Quantity, c: Constants) -> Quantity:
    """LUTs of one multiplier: as many carry rows as the narrower operand has bits, less one.

    Args:
        ops: arithmetic.
        a_bits, b_bits: widths of the operands.
        signed: 1 where the second operand, the input, has a sign: each row is a LUT wider for it.
        c: constants.

    Error: 180 synthesized matrix-vector units: MAPE 4.3% with adders and accumulators (reports/calibration/error.md).
    Source: physical form fitted to Yosys 0.70; constants in coefficients.json.
    """
    few = ops.minimum(a_bits, b_bits)
    many = ops.maximum(a_bits, b_bits)
    single = ops.exp2(-2 * (few - 1))  # of one bit, which keeps the other operand or drops it
    first = c["multiplier_first_row"] * (1 - single) + c["keep_bit"] * single
    rows = c["multiplier_row"] * (few - 1) * (many + 1 + signed) + first * many
    small = ops.special((few > 1) & (few + many <= GENERIC_BITS))
    return ops.where(small, c["small_multiplier"] * few * many, rows)


def comparators(ops: Arithmetic, steps: Quantity, input_bits: Quantity, c: Constants) -> Quantity:
    """LUTs that count how many of `steps` variable thresholds an input passes.

    Error: LUT of 40 synthesized units: MAPE 4.5% (reports/calibration/error.md).
    Source: Yosys 0.70; constants in coefficients.json.
    """
    return c["comparator"] * steps * input_bits + c["encoder"] * (steps - 1)
