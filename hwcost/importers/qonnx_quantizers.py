"""Quantizers and affine maps for the numbers of a QONNX file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hwcost.errors import UnknownOperation
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    QuantConv1d,
    QuantConv2d,
    QuantLinear,
)

Quantizer = IntQuantizer | BinaryQuantizer


def integer(step: Tensor, bits: int, signed: bool, narrow: bool) -> Quantizer:
    """Make the quantizer of whole codes in steps of `step`."""
    reach = 2 ** (bits - 1) - narrow if signed else 2**bits - 1
    return IntQuantizer(bits=bits, scale=ConstScale(threshold(step * reach)), signed=signed, narrow=narrow and signed)


def threshold(value: Tensor) -> Tensor:
    """Reshape a single threshold to (); leave one per channel unchanged."""
    return value.reshape(()) if value.numel() == 1 else value


def turned(quantizer: Quantizer) -> Quantizer:
    """Make the quantizer of the transposed matrix."""
    return _with(quantizer, lambda thresholds: thresholds.T.contiguous())


def per_channel(quantizer: Quantizer) -> Quantizer:
    """Make the quantizer of one number per channel, as a vector."""
    return _with(quantizer, lambda thresholds: thresholds.reshape(-1))


def _with(quantizer: Quantizer, change: Callable[[Tensor], Tensor]) -> Quantizer:
    if quantizer.scale.channel_dim is None:
        return quantizer
    scale = ConstScale(change(quantizer.scale.threshold))
    if isinstance(quantizer, IntQuantizer):
        bits = int(quantizer.width())
        return IntQuantizer(bits=bits, scale=scale, signed=quantizer.signed, narrow=quantizer.narrow)
    return BinaryQuantizer(scale=scale)


@dataclass(frozen=True)
class Affine:
    """gain * x + offset of the stream `source`; one number each."""

    source: str
    gain: float = 1.0
    offset: float = 0.0

    def then(self, op: str, number: float, *, first: bool) -> Affine:
        """Append an Add, Sub, Mul or Div by a number, which may stand first.

        Raises:
            UnknownOperation: a number divided by the stream.
        """
        if op == "Div" and first:
            raise UnknownOperation("divides by a stream")
        if op in ("Mul", "Div"):
            factor = number if op == "Mul" else 1 / number
            return Affine(self.source, self.gain * factor, self.offset * factor)
        sign = -1.0 if op == "Sub" and first else 1.0
        addend = -number if op == "Sub" and not first else number
        return Affine(self.source, self.gain * sign, self.offset * sign + addend)


def rows_of(layer: object) -> int:
    """Count the output channels of a product, behind which an affine map becomes a batch norm."""
    if not isinstance(layer, QuantLinear | QuantConv1d | QuantConv2d):
        raise UnknownOperation(
            "scales or shifts a stream that is no product and that no Quant node takes; put a quantizer behind it, or "
            "fold it into the layer in front"
        )
    return int(layer.weight.shape[0])
