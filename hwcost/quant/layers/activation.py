"""Quantized activations: in hardware, thresholds on an accumulator."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.spec import LayerSpec, Signal
from hwcost.quant.layers.signals import quantized, thresholds
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.quant.tensor import QuantTensor


class QuantIdentity(nn.Module):
    """Quantizes a stream. At a float input of the network no hardware is built: it runs where the data comes from.

    A plain tensor gives a plain tensor, a QuantTensor a QuantTensor.

    Args:
        quant: of the values; None passes them on, and has no hardware.
    """

    quant: Quantizer | None
    signed: ClassVar[bool | None] = None
    """Sign that the quantizer must have; None for either."""

    def __init__(self, quant: Quantizer | None) -> None:
        super().__init__()
        name = type(self).__name__
        self.quant = checked(quant, f"{name}: quant")
        if getattr(quant, "several", False) and not getattr(quant, "power", False):
            raise BadOption(
                f"{name}: the channels of a stream are added up, so widths that differ need steps that are "
                "powers of two apart; give the scale domain=POW2"
            )
        if quant is not None and self.signed is not None and quant.signed != self.signed:
            raise BadOption(
                f"{name}: its values are {'signed' if self.signed else 'not signed'}; give the quantizer "
                f"signed={self.signed}"
            )

    def function(self, x: Tensor) -> Tensor:
        """Function whose values are quantized."""
        return x

    def float_function(self, x: Tensor) -> Tensor:
        """Function that is computed without a quantizer."""
        return self.function(x)

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor: ...

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """Apply the function and quantize; like x."""
        quant: Any = self._modules.get("quant")  # past Module.__getattr__: small networks wait for Python
        if isinstance(x, QuantTensor):
            if quant is None:
                raise UnknownPrecision(f"{type(self).__name__}: no quantizer, so no integers; give it one")
            return quant.tensor(self.function(x.value))  # type: ignore[no-any-return] # of any quantizer
        return self.float_function(x) if quant is None else quant(self.function(x))

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds, which also absorb a monotone function and the affine map in front of them.

        Raises:
            UnknownPrecision: no quantizer, or one whose scale depends on the data.
        """
        (signal,) = signals
        if self.quant is None:
            raise UnknownPrecision("a float activation has no bit-width; give the layer a quantizer")
        codes, output = quantized(self.quant, signal)
        if not signal.range.known:
            return LayerSpec(output=output)
        straight = type(self).function is QuantIdentity.function
        return LayerSpec(output=output, blocks=(thresholds(signal, codes, shifts=straight and output.shifts),))


class QuantReLU(QuantIdentity):
    """ReLU and an unsigned quantizer, which on its own clips at 0; the gradient at 0 is 1. None is a plain ReLU."""

    signed = False

    def float_function(self, x: Tensor) -> Tensor:
        return F.relu(x)


class QuantHardTanh(QuantIdentity):
    """A signed quantizer, which on its own clips at its threshold. None clips at -1 and 1."""

    signed = True

    def float_function(self, x: Tensor) -> Tensor:
        return F.hardtanh(x)


class QuantSigmoid(QuantIdentity):
    """Sigmoid and an unsigned quantizer; `const_input(bits=8)` uses its range (0, 1) fully. None is a plain sigmoid."""

    signed = False

    def function(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


class QuantTanh(QuantIdentity):
    """tanh and a signed quantizer; `const_input(bits=8, signed=True)` uses its range (-1, 1) fully. None is a tanh."""

    signed = True

    def function(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class QuantAffine(QuantIdentity):
    """Quantizes gain * x + offset: pixels on their way into a network, say. No hardware of its own.

    Args:
        quant: of the values.
        gain: above 0, so that values rise with x.
        offset: in the unit of the values.
    """

    def __init__(self, quant: Quantizer | None, *, gain: float, offset: float) -> None:
        super().__init__(quant)
        if not (isfinite(gain) and gain > 0 and isfinite(offset)):
            raise BadOption(f"QuantAffine: gain={gain!r}, offset={offset!r}; give a gain above 0 and a finite offset")
        self.gain, self.offset = gain, offset

    def function(self, x: Tensor) -> Tensor:
        return x * self.gain + self.offset

    def extra_repr(self) -> str:
        return f"gain={self.gain}, offset={self.offset}"
