"""What arithmetic costs in LUTs, by its physical form: rows of carry chains, adder trees, comparators."""

from __future__ import annotations

from collections.abc import Mapping

from hwcost.models.relax import Arithmetic, Quantity

Constants = Mapping[str, float]


def adder_tree_bits(ops: Arithmetic, terms: Quantity, product_bits: Quantity) -> Quantity:
    """Result bits of all adders of a balanced tree: one LUT each on a carry chain.

    Error: none for a power of two of terms; at most 1 bit per unbalanced level else.
    Source: adders of level i are product_bits + i wide.
    """
    return (terms - 1) * product_bits + 2 * terms - ops.ceil_log2(terms) - 2


def multiplier(ops: Arithmetic, a_bits: Quantity, b_bits: Quantity, c: Constants) -> Quantity:
    """LUTs of one multiplier: as many carry rows as the narrower operand has bits, less one.

    Error: 4x4 matrix-vector units, Vivado 2020.1: MAPE 8.5% (RTL, 54 units), 7.1% (HLS, 51).
    Source: physical form fitted to Yosys 0.70 and the published units; constants in coefficients.json.
    """
    few = ops.minimum(a_bits, b_bits)
    many = ops.maximum(a_bits, b_bits)
    first = many * (1 - ops.exp2(-2 * (few - 1)))
    return c["multiplier_row"] * (few - 1) * (many + 1) + c["multiplier_first_row"] * first


def comparators(ops: Arithmetic, steps: Quantity, input_bits: Quantity, c: Constants) -> Quantity:
    """LUTs that count how many of `steps` variable thresholds an input passes.

    Error: within 13% of 12 synthesized units above 10 LUT.
    Source: Yosys 0.70; constants in coefficients.json.
    """
    return c["comparator"] * steps * input_bits + c["encoder"] * (steps - 1)
