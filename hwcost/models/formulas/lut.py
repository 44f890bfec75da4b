"""LUTs of arithmetic by its physical form: rows of carry chains, adder trees, comparators."""

from collections.abc import Mapping

from hwcost.models.formulas.arithmetic import Arithmetic, Quantity
from hwcost.models.formulas.fabric import Fabric

Constants = Mapping[str, float]


def chain(ops: Arithmetic, sum_bits: Quantity, part: Fabric) -> Quantity:
    """LUTs of one carry chain.

    Args:
        ops: arithmetic.
        sum_bits: of its result, the carry included.
        part: the fabric.

    Error: none on a chain that stays one; sums of four bits and less are left to logic on ECP5.
    Source: Yosys 0.70: on Xilinx the sum of two equal operands takes as many LUTs as one of them has bits; of ECP5,
    nextpnr 0.11.
    """
    if part.carry_cell == 1:
        return sum_bits - 1
    return ops.ceil(sum_bits / part.carry_cell) * part.carry_cell + part.chain_end


def adder_tree_bits(ops: Arithmetic, terms: Quantity, product_bits: Quantity) -> Quantity:
    """Result bits of all adders of a balanced tree.

    Error: none for a power of two of terms; at most 1 bit per unbalanced level else.
    Source: adders of level i are product_bits + i wide.
    """
    return (terms - 1) * product_bits + 2 * terms - ops.ceil_log2(terms) - 2


def adder_tree(ops: Arithmetic, terms: Quantity, product_bits: Quantity, part: Fabric) -> Quantity:
    """LUTs of the carry chains of all adders of a balanced tree, see `chain`.

    Where carry cells have two bits: half of the adders are a bit wider than a product, a quarter two bits, and so on,
    so that two thirds of all widths are odd if that of a product is even, one third if it is odd.

    Error: as `adder_tree_bits`.
    Source: as `chain`.
    """
    bits = adder_tree_bits(ops, terms, product_bits)
    if part.carry_cell == 1:
        return bits - (terms - 1)
    odd = product_bits - 2 * ops.floor(product_bits / 2)
    whole = bits + (terms - 1) * (part.chain_end + (2 - odd) / 3)
    return whole - _spared(ops, terms, product_bits)


SPARED = {2: 2, 3: 3, 4: 1}
"""Bits of a sum -> LUT4 that generic logic spares to its carry chain. Source: Yosys 0.70 leaves sums of four bits and
less to logic on ECP5: 2, 3 and 5 LUT4."""


def _spared(ops: Arithmetic, terms: Quantity, product_bits: Quantity) -> Quantity:
    """LUTs that small sums at the leaves of a tree spare; level after level, half as many adders."""
    found = 0 * terms
    for width in (1, 2, 3):
        here = sum(SPARED.get(width + level, 0) / 2**level * terms * (terms > 2 ** (level - 1)) for level in (1, 2, 3))
        found = ops.where(ops.special(product_bits == width), here, found)
    return found


def multiplier(
    ops: Arithmetic, a_bits: Quantity, b_bits: Quantity, signs: Quantity, c: Constants, part: Fabric
) -> Quantity:
    """LUTs of one multiplier: a carry row per bit of the narrower operand, each as long as the wider one.

    On a fabric whose carry cells make the products that they add, the first chain adds two rows.

    A single bit keeps the other operand or drops it, which the adder behind it does in part.

    Args:
        ops: arithmetic.
        a_bits, b_bits: widths of the operands.
        signs: how many of the two have a sign.
        c: constants.
        part: the fabric.

    Error: with adders and accumulators as `MatVecFormula` says.
    Source: physical form fitted to Yosys 0.70; constants in coefficients.json.
    """
    few = ops.minimum(a_bits, b_bits)
    many = ops.maximum(a_bits, b_bits)
    first = 1 if part.joined_rows else many
    rows = c["multiplier_bit"] * ((few - 1) * chain(ops, many + 1, part) + first) + c["multiplier_sign"] * signs
    small = c["small_multiplier_bit"] * few * many + c["small_multiplier"]
    found = ops.where(ops.special(few + many <= part.lut_inputs), small, rows)
    return ops.where(ops.special(few <= 1), c["keep_bit"] * many + c["keep"], found)


def comparators(ops: Arithmetic, steps: Quantity, input_bits: Quantity, c: Constants, part: Fabric) -> Quantity:
    """LUTs that count how many of `steps` variable thresholds an input passes.

    Error: LUT of 39 synthesized units: MAPE 4.2% (reports/calibration/error.md).
    Source: Yosys 0.70; constants in coefficients.json.
    """
    ends = ops.where(ops.special(input_bits <= 4), 0, 2 * part.chain_end)  # fewer bits are compared in logic
    return (c["comparator"] * input_bits + ends) * steps + c["encoder"] * (steps - 1)
