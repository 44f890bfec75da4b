"""Networks in integers alone: int64 weights, thresholds, and the arithmetic of the hardware."""

from hwcost.integer.lowering import LOWERINGS as LOWERINGS
from hwcost.integer.network import IntegerNetwork as IntegerNetwork
from hwcost.integer.network import IntegerStep as IntegerStep
