"""LUTs of arithmetic by its physical form: rows of carry chains, adder trees, comparators."""

from collections.abc import Mapping

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity

Constants = Mapping[str, float]

GENERIC_BITS = 6
"""Total operand bits up to which a multiplier is built from plain LUTs, without carry chains."""


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


def multiplier(ops: Arithmetic, a_bits: Quantity, b_bits: Quantity, signs: Quantity, c: Constants) -> Quantity:
    """LUTs of one multiplier: a carry row per bit of the narrower operand, each as long as the wider one.

    A single bit keeps the other operand or drops it, which the adder behind it does in part.

    Args:
        ops: arithmetic.
        a_bits, b_bits: widths of the operands.
        signs: how many of the two have a sign.
        c: constants.

    Error: with adders and accumulators as `MatVecFormula` says.
    Source: physical form fitted to Yosys 0.70; constants in coefficients.json.
    """
    few = ops.minimum(a_bits, b_bits)
    many = ops.maximum(a_bits, b_bits)
    rows = c["multiplier_bit"] * few * many + c["multiplier_sign"] * signs
    small = c["small_multiplier_bit"] * few * many + c["small_multiplier"]
    found = ops.where(ops.special(few + many <= GENERIC_BITS), small, rows)
    return ops.where(ops.special(few <= 1), c["keep_bit"] * many + c["keep"], found)


def comparators(ops: Arithmetic, steps: Quantity, input_bits: Quantity, c: Constants) -> Quantity:
    """LUTs that count how many of `steps` variable thresholds an input passes.

    Error: LUT of 39 synthesized units: MAPE 4.2% (reports/calibration/error.md).
    Source: Yosys 0.70; constants in coefficients.json.
    """
    return c["comparator"] * steps * input_bits + c["encoder"] * (steps - 1)
