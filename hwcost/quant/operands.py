"""Operands of layers: integers of one scale, or any stream."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn

from hwcost.graph.order import INTERLEAVED, PADS, PICKS, SHUFFLES
from hwcost.quant.layers.attention import QuantMultiheadAttention
from hwcost.quant.layers.average import QuantAdaptiveAvgPool, QuantMean
from hwcost.quant.layers.curve import QuantActivation
from hwcost.quant.layers.layer_norm import QuantRMSNorm
from hwcost.quant.layers.multiply import QuantMul
from hwcost.quant.layers.norm import QuantScaleBias
from hwcost.quant.layers.pool import AveragePool
from hwcost.quant.layers.product import Product

AVERAGES = (AveragePool, QuantMean, QuantAdaptiveAvgPool)
"""Layers whose integers have the scale of what enters."""

APART_MODULES = tuple(key for key in (*SHUFFLES, *INTERLEAVED, *PADS, nn.Unflatten) if isinstance(key, type))
"""Modules that need integers of one scale, because channels do not stay together or zeros join them."""

OPEN = (Product, QuantScaleBias, QuantRMSNorm, QuantMultiheadAttention)
"""Layers whose result has a map per channel, which no product can take."""


def reads_integers(module: nn.Module) -> bool:
    """Whether a layer multiplies, looks up or shuffles what enters, so that it must be integers of one scale."""
    if isinstance(module, Product | QuantScaleBias):
        return module.input_quant is None and module.weight_quant is not None
    if isinstance(module, QuantMultiheadAttention):
        return module.enter is None
    if isinstance(module, QuantActivation):
        return module.input_quant is None and not module.rises and module.quant is not None
    first = module[0] if isinstance(module, nn.Sequential) else module  # zeros around an average
    return isinstance(first, (QuantMul, *APART_MODULES))


def is_score(module: nn.Module) -> bool:
    """Whether a layer only turns scores into probabilities."""
    return isinstance(module, nn.Softmax | nn.LogSoftmax | nn.Softmax2d)


def parts_channels(node: fx.Node, values: Mapping[fx.Node, Any]) -> bool:
    """Whether the channels of what enters a function do not all stay together: a view of several, or a slice of them.

    Args:
        node: the call.
        values: of every node on an example; empty without one.
    """
    if node.target in ("view", "reshape", "unflatten"):
        return len(node.args) > 3
    before, after = (values.get(each) for each in (node.all_input_nodes[0], node))
    shapes = [each.shape[:2] for each in (before, after) if isinstance(each, Tensor)]
    return node.target in PICKS and len(shapes) == 2 and shapes[0] != shapes[1]
