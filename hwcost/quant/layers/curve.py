"""Activations of any shape: thresholds where they only rise, else a table of their input codes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Table
from hwcost.graph.ranges import widest
from hwcost.graph.spec import LayerSpec
from hwcost.graph.ste import round_ste
from hwcost.graph.wire import Signal
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.signals import integer, quantized, thresholds
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.quant.tensor import QuantTensor

RISING = (
    *(nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Softplus, nn.ELU, nn.SELU, nn.CELU),
    *(nn.LeakyReLU, nn.LogSigmoid, nn.Softsign),
)
"""Functions that never fall; a LeakyReLU only with a slope of at least 0."""

MOST_BITS = 16
"""Widest code that a table is looked up by: 65,536 words."""

NARROW_BITS = 8
"""Widest code whose table takes fewer LUTs than a search over it: 4 LUTs per output bit against about 8 for the
comparator of a stage. Source: the laws of both."""

LEAST_SLOPE = 2.0**-8
"""Smallest slope of a PReLU; a shift by 8 bits."""


class Exp(nn.Module):
    """The exponential function, as a module."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class QuantActivation(QuantIdentity):
    """Any function of one number, and a quantizer: GELU, SiLU, Hardswish, exponential...

    Without `input_quant`, a function that never falls is thresholds on what enters, whose affine map they absorb. Any
    other is a table with a word for each code that enters: that of `input_quant`, or of a stream of integers.

    Args:
        function: module of torch, or of your own, that computes each element on its own: nn.GELU(), Exp().
        quant: of what leaves; None computes in float, and has no hardware.
        input_quant: of what enters; one scale for all channels.
    """

    input_quant: Quantizer | None

    def __init__(self, function: nn.Module, quant: Quantizer | None, *, input_quant: Quantizer | None = None) -> None:
        super().__init__(quant)
        if not isinstance(function, nn.Module):
            raise BadOption(f"QuantActivation: function={function!r}; give a module, e.g. nn.GELU()")
        if isinstance(function, nn.PReLU):
            raise BadOption("QuantActivation: a PReLU has weights of its own; use QuantPReLU")
        self.curve = function
        self.input_quant = checked(input_quant, "QuantActivation: input_quant")

    @property
    def rises(self) -> bool:
        """Whether the function never falls, so that thresholds compute it."""
        return isinstance(self.curve, RISING) and getattr(self.curve, "negative_slope", 0.0) >= 0

    def function(self, x: Tensor) -> Tensor:
        return self.curve(x)  # type: ignore[no-any-return] # a module of one tensor

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        if self.input_quant is None:
            return super().forward(x)
        quantizer: Any = self.input_quant
        return super().forward(quantizer.tensor(x.value) if isinstance(x, QuantTensor) else quantizer(x))

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Thresholds, or thresholds onto the grid of `input_quant` and a table.

        Raises:
            UnknownPrecision: no quantizer; a table without integers of one scale to look up, or with too many.
        """
        (signal,) = signals
        if self.quant is None:
            raise UnknownPrecision("a float activation has no bit-width; give the layer a quantizer")
        if not signal.range.known:
            return super().describe(signal, shape=shape)
        narrow = signal.affine is None and float(widest(signal.range).bits.detach()) <= NARROW_BITS
        if self.input_quant is None and self.rises and not narrow:
            return super().describe(signal, shape=shape)
        blocks: tuple[Any, ...] = ()
        if self.input_quant is not None:
            codes, inner = quantized(self.input_quant, signal)
            blocks = (thresholds(signal, codes),)
            signal = inner
        integer(signal)
        address = widest(signal.range)
        if float(address.bits.detach()) > MOST_BITS:
            raise UnknownPrecision(
                f"a table of {float(address.bits.detach()):g}-bit codes has too many words; give the layer an "
                "input_quant= of 8 bits, say"
            )
        codes, output = quantized(self.quant, signal)
        if output.affine is not None:
            raise UnknownPrecision("all channels share its table; give quant= one scale for all channels")
        table = Table(channels=signal.channels, vectors=signal.positions, input=address, output=widest(codes))
        return LayerSpec(output=output, blocks=(*blocks, table))

    def extra_repr(self) -> str:
        return "" if self.rises else "table"


class QuantPReLU(QuantIdentity):
    """x, or x times a learned slope below 0; and a quantizer, whose thresholds compute both.

    Slopes are rounded to powers of two, from 2^-8 to 1, in both passes; their gradient passes through. A slope below 0
    would make the function fall, so only its magnitude counts.

    Args:
        quant: of what leaves; None computes in float, and has no hardware.
        num_parameters: slopes: 1, or one for each channel.
        init: slope to start from.
    """

    def __init__(self, quant: Quantizer | None, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__(quant)
        if num_parameters < 1:
            raise BadOption(f"QuantPReLU: num_parameters={num_parameters}; give at least 1")
        self.weight = nn.Parameter(torch.full((num_parameters,), init))

    def function(self, x: Tensor) -> Tensor:
        bounded = self.weight.abs().clamp(LEAST_SLOPE, 1.0)
        return F.prelu(x, torch.exp2(round_ste(torch.log2(bounded))).to(x.dtype))
