"""Price of the lanes of a matrix-vector unit: products of two operands, and choices where one of them has few codes."""

from hwcost.models.formulas import lut
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.fabric import Fabric
from hwcost.models.formulas.formula import Setting


def _turned(ops: Arithmetic, inputs: Quantity, setting: Setting) -> Quantity:
    """LUTs that choose between an input and its negative.

    Where a chain has ends, a LUT for each bit of the product takes in the inputs that fit one.
    """
    c, part = setting.constants, setting.fabric
    chosen = c["negate"] * inputs + c["select"]
    return ops.where(_in_logic(ops, inputs, part), inputs + 1, chosen)


def _in_logic(ops: Arithmetic, inputs: Quantity, part: Fabric) -> Quantity:
    """Whether the negative of an input is no carry chain, but a part of the LUTs that choose it."""
    return ops.special((inputs < part.lut_inputs) & (part.chain_end > 0))


def lane(
    ops: Arithmetic, weight: Quantity, inputs: Quantity, g: Geometry, setting: Setting
) -> tuple[Quantity, Quantity]:
    """LUTs of one multiplier lane and the width of its product.

    A bipolar weight chooses between an input and its negative, which is a price of its own, see `_negative`; a ternary
    one drops it as well. A bipolar input negates each weight, by as many LUTs as its magnitude has bits; two of them
    are an XNOR. A single unsigned bit keeps or drops the other operand.
    """
    c = setting.constants
    bipolar, bipolar_input = g.bipolar == 1, g.bipolar_input == 1
    single = ops.special(ops.minimum(weight, inputs) <= 1)
    lane = lut.multiplier(ops, weight, inputs, g.signs, c, setting.fabric)
    lane = ops.where(bipolar_input, c["negate_weight"] * (weight - g.signs), lane)
    chosen = _turned(ops, inputs, setting)
    chosen = ops.where(ops.special(inputs <= 1), c["negate_single"] + 0 * inputs, chosen)
    lane = ops.where(bipolar, chosen, lane)
    lane = ops.where(bipolar & bipolar_input, c["xnor"] + 0 * lane, lane)
    ternary = _ternary(ops, weight, inputs, g)
    wider = lut.multiplier(ops, weight, inputs, g.signs, c, setting.fabric)
    wider = wider - lut.multiplier(ops, 2 + 0 * weight, inputs, g.signs, c, setting.fabric)  # none, with its slope
    lane = ops.where(ternary, c["ternary_bit"] * inputs + c["ternary"] + wider, lane)
    product = ops.where(single, ops.maximum(weight, inputs), weight + inputs)
    product = ops.where(ternary, inputs + weight - 1, product)
    product = ops.where(bipolar, inputs + 1, product)
    product = ops.where(bipolar_input, weight + 1, product)
    product = ops.where(bipolar & bipolar_input, inputs, product)
    return lane, product


def _ternary(ops: Arithmetic, weight: Quantity, inputs: Quantity, g: Geometry) -> Quantity:
    """Whether weights are -1, 0 or +1 and inputs have several bits: a lane chooses, where others multiply."""
    return (g.narrow == 1) & (weight == 2) & (g.bipolar_input == 0) & (ops.special(inputs <= 1) == 0)


def negative(ops: Arithmetic, weight: Quantity, inputs: Quantity, g: Geometry, setting: Setting) -> Quantity:
    """LUTs of the negative of an input, which the bipolar or ternary weights of all PE choose from.

    HLS and the vendor's tool in published units of RTL build it for each PE: it is a part of the lane there.

    Error: a part of the lanes of 36 units of 2 to 8 PE, see "matvec" in reports/calibration/error.md.
    Source: a carry chain, one bit longer than the input; Yosys 0.70.
    """
    bipolar = (g.bipolar == 1) & (g.bipolar_input == 0) & (ops.special(inputs <= 1) == 0)
    chosen = bipolar | _ternary(ops, weight, inputs, g)
    chosen = chosen & (_in_logic(ops, inputs, setting.fabric) == 0)
    return ops.where(chosen, setting.constants["negative_bit"] * lut.chain(ops, inputs + 1, setting.fabric), 0 * inputs)
