"""Quantized fully connected layer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.quant.product import adopt, entering, product_spec, quantized_operands, sample_rank
from hwcost.quant.quantizers import Quantizer
from hwcost.spec import LayerSpec, Signal


class QuantLinear(nn.Linear):
    """y = Q(x) Q(W)^T + b.

    A float bias is absorbed by the thresholds of the next activation, as dataflow compilers do.

    Args:
        in_features, out_features, bias: as nn.Linear.
        weight_quant: of the weights; None trains in float, and has no hardware.
        input_quant: of the input; None takes it as it comes.
    """

    weight_quant: Quantizer | None
    input_quant: Quantizer | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_quant: Quantizer | None,
        input_quant: Quantizer | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        adopt(self, weight_quant, input_quant)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_features) -> (N, out_features)."""
        x, weight = quantized_operands(self, input)
        return F.linear(x, weight, self.bias)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """One MatVec: rows out_features, cols in_features; thresholds in front for an input quantizer.

        Raises:
            UnknownPrecision: float weights, an input of no width, or one with an unabsorbed affine map.
        """
        (outer,) = signals
        sample_rank(outer.shape, 1, type(self).__name__)
        signal, before = entering(outer, self.input_quant)
        return product_spec(self, signal, rows=self.out_features, cols=self.in_features, shape=shape, before=before)
