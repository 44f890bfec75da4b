"""Quantizers for the numbers of a QONNX file."""

from math import isinf, log2

from torch import Tensor

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_values import Codes
from hwcost.quant import BinaryQuantizer, ConstScale, GridQuantizer, IntQuantizer, ThresholdQuantizer

Quantizer = IntQuantizer | BinaryQuantizer | GridQuantizer | ThresholdQuantizer

MOST_BITS = 32
"""Widest code of a quantizer."""


def bounds(bits: float, signed: bool, narrow: bool) -> tuple[int, int]:
    """Find the smallest and largest code of a Quant node.

    Raises:
        UnknownOperation: no whole width from 1 to 32, or a single code.
    """
    if not 1 <= bits <= MOST_BITS or bits != round(bits):
        raise UnknownOperation(f"{bits:g} bits; give a whole width from 1 to {MOST_BITS}")
    width = int(bits)
    low, high = (-(2 ** (width - 1)) + narrow, 2 ** (width - 1) - 1) if signed else (0, 2**width - 1 - narrow)
    if low >= high:
        raise UnknownOperation(f"{width} bits, signed={signed}, narrow={narrow}: a single code")
    return low, high


def quantizer_of(codes: Codes) -> Quantizer:
    """Make the quantizer of codes, in steps of their factor.

    Raises:
        UnknownOperation: nothing clamps them, or they are wider than 32 bits.
    """
    step = codes.factor
    if not bool(((step > 0) & step.isfinite()).all()):
        raise UnknownOperation("its scale is not above 0 and finite")
    if codes.bipolar:
        return BinaryQuantizer(scale=ConstScale(step))
    if isinf(codes.low) or isinf(codes.high):
        raise UnknownOperation("rounds without bounds, so its codes have no width; put a Clip behind it")
    low, high = int(codes.low), int(codes.high)
    width = log2(max(high + 1, -low)) + (low < 0)
    if width > MOST_BITS or not low < high:
        raise UnknownOperation(f"codes from {low} to {high}; give at least two, and at most {MOST_BITS} bits")
    plain = codes.rounding == "HALF_EVEN" and codes.zero_point % 2 == 0
    signed, narrow = low < 0, low == -high
    if plain and width == int(width) and width > signed and low in (0, -high, -high - 1):
        bits, reach = int(width), high if narrow or not signed else high + 1
        return IntQuantizer(bits=bits, scale=ConstScale(step * reach), signed=signed, narrow=narrow and signed)
    return GridQuantizer(step=step, low=low, high=high, rounding=codes.rounding, zero_point=codes.zero_point)


def grown(quantizer: object, gain: float) -> tuple[Quantizer, float] | None:
    """Make the quantizer of gain times its values.

    Returns:
        It, and what its input is multiplied by; None for another kind of quantizer.
    """
    if isinstance(quantizer, ThresholdQuantizer):
        step = quantizer.scale.threshold.double() * gain
        made = ThresholdQuantizer(quantizer.thresholds, step=step, low=quantizer.low, bipolar=quantizer.bipolar)
        return made, 1.0
    if type(quantizer) not in (IntQuantizer, BinaryQuantizer, GridQuantizer):
        return None
    scale = ConstScale(quantizer.scale.threshold.double() * gain)  # type: ignore[attr-defined] # checked
    if isinstance(quantizer, IntQuantizer):
        bits = int(quantizer.width())
        return IntQuantizer(bits=bits, scale=scale, signed=quantizer.signed, narrow=quantizer.narrow), gain
    if isinstance(quantizer, GridQuantizer):
        step = scale.threshold
        low, high, zero = quantizer.low, quantizer.high, quantizer.zero_point
        return GridQuantizer(step=step, low=low, high=high, rounding=quantizer.rounding, zero_point=zero), gain
    return BinaryQuantizer(scale=scale), gain


def clamped(quantizer: Quantizer) -> tuple[float, float]:
    """Find the smallest and largest code of a quantizer."""
    wire = quantizer.range()
    return float(wire.low.amin()), float(wire.high.amax())


def single_step(quantizer: Quantizer) -> Tensor | None:
    """Find the step of a quantizer, float64 (); None where channels have steps of their own."""
    step = quantizer.step().detach().double()
    return step.reshape(()) if step.numel() == 1 else None
