"""Quantized fully connected layer."""

from typing import Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.graph.ranges import Range
from hwcost.graph.spec import Signal
from hwcost.quant.layers.product import Geometry, Product, Quantizers
from hwcost.quant.layers.signals import in_order


class QuantLinear(Product, nn.Linear):
    """y = Q(x) Q(W)^T + b, of (N, features) or of sequences (N, time, features), one vector after the other.

    A float bias is absorbed by the thresholds of the next activation, as dataflow compilers do.

    Args:
        in_features, out_features, bias: as nn.Linear.

    Keyword Args:
        weight_quant (Quantizer | None): of the weights; None trains in float, and has no hardware.
        input_quant (Quantizer | None): of the input; None takes it as it comes.
        bias_quant (BiasQuantizer | None): None keeps a float bias.
        accumulator (Accumulator | None): narrower than the worst case; None is as wide as needed, exactly.
        source (Quantizer | None): quantizer of the activation in front, where bias_quant or accumulator need its step.
    """

    channels_last = True

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, **quantizers: Unpack[Quantizers]
    ) -> None:
        nn.Linear.__init__(self, in_features, out_features, bias)
        self.adopt(**quantizers)

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def geometry(self) -> Geometry:
        """rows out_features, cols in_features."""
        return Geometry(rows=self.out_features, cols=self.in_features, terms=self.in_features)

    def element(self, signal: Signal) -> Range:
        in_order(signal, channels_last=True, owner=type(self).__name__)
        return super().element(signal)

    def channels_first(self, per_channel: Tensor, rank: int) -> Tensor:
        """Features stand last."""
        return per_channel
