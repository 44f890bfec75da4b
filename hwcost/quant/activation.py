"""Quantized activations: in hardware, thresholds on an accumulator."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.quant.product import thresholds
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.spec import LayerSpec, Signal


class QuantIdentity(nn.Module):
    """Quantizes a stream. At a float input of the network no hardware is built: it runs where the data comes from.

    Args:
        quant: of the values; None passes them on, and has no hardware.
    """

    quant: Quantizer | None

    def __init__(self, quant: Quantizer | None) -> None:
        super().__init__()
        self.quant = checked(quant, f"{type(self).__name__}: quant")

    def forward(self, x: Tensor) -> Tensor:
        """Like x, on the grid of the quantizer."""
        return x if self.quant is None else self.quant(x)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds, which also absorb the affine map in front of them.

        Raises:
            UnknownPrecision: no quantizer.
        """
        (signal,) = signals
        if self.quant is None:
            raise UnknownPrecision("a float activation has no bit-width; give the layer a quantizer")
        wire = self.quant.range()
        output = Signal(range=wire, shape=shape)
        if not signal.range.known:
            return LayerSpec(output=output)
        return LayerSpec(output=output, blocks=(thresholds(signal, wire),))


class QuantReLU(QuantIdentity):
    """ReLU and an unsigned quantizer, which clips at 0 by itself; the gradient at 0 is 1. None is a plain ReLU.

    Args:
        quant: unsigned.
    """

    def __init__(self, quant: Quantizer | None) -> None:
        super().__init__(quant)
        if quant is not None and quant.signed:
            raise BadOption("QuantReLU: a signed quantizer wastes half its codes; give signed=False")

    def forward(self, x: Tensor) -> Tensor:
        """Like x, from 0 to the threshold."""
        return F.relu(x) if self.quant is None else self.quant(x)
