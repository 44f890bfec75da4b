"""A network in integers alone: int64 weights, thresholds, and the arithmetic that the hardware does."""

from hwcost.integer.lowering import LOWERINGS as LOWERINGS
from hwcost.integer.network import IntegerNetwork as IntegerNetwork
from hwcost.integer.network import IntegerStep as IntegerStep
