"""The cost of a whole network at its live widths, as tensors that can be trained against."""

from torch import Tensor

from hwcost.cost.bill import price
from hwcost.models.resources import HardwareModel, HasLayers


def hardware_cost(pipeline: HasLayers, model: HardwareModel) -> dict[str, Tensor]:
    """The cost of the whole network at its live bit-widths; needs no data and no forward pass.

    Args:
        pipeline: from `trace`, or `trace_channels`.
        model: e.g. `Dataflow(device="xc7z020", folding=...)`.

    Returns:
        Resource -> () float64. Areas are sums over the blocks; "cycles" is that of the slowest block, the
        initiation interval. Gradient: to every learned width. Equal to `estimate`'s totals.
    """
    return price(pipeline, model).total()
