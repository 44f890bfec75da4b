"""Quantizers by name of their use; everything they choose can be built by hand from the parts."""

from hwcost.quant.binary import BinaryQuantizer, TernaryQuantizer
from hwcost.quant.bits import LearnedBits
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.measured_scale import StatScale
from hwcost.quant.scale import FLOAT, LOG, ConstScale, Domain, LearnedScale
from hwcost.quant.stats import abs_max, abs_mean


def _weight_scale(per_channel: bool, channel_dim: int, domain: Domain) -> StatScale:
    return StatScale(abs_max, channel_dim=channel_dim if per_channel else None, domain=domain)


def learned_weight(
    *,
    bits: int = 8,
    base: int = 2,
    most: int = 16,
    per_channel: bool = True,
    channel_dim: int = 0,
    domain: Domain = FLOAT,
) -> IntQuantizer:
    """Weights: signed narrow integers of learned width, scaled by the largest weight (of each output channel).

    Args:
        bits: starting width; base, most: its bounds, in bits.
        per_channel: one scale per output channel, or one for the tensor.
        channel_dim: where the output channel stands: 0, or 1 in a transposed convolution.
        domain: POW2 for steps that are powers of two.
    """
    width = LearnedBits(bits, base=base, most=most)
    return IntQuantizer(bits=width, scale=_weight_scale(per_channel, channel_dim, domain), signed=True, narrow=True)


def const_weight(
    *, bits: int = 8, per_channel: bool = True, channel_dim: int = 0, domain: Domain = FLOAT
) -> IntQuantizer:
    """Weights: signed narrow integers of constant width, at least 2; otherwise as `learned_weight`."""
    return IntQuantizer(bits=bits, scale=_weight_scale(per_channel, channel_dim, domain), signed=True, narrow=True)


def binary_weight(*, per_channel: bool = True, channel_dim: int = 0) -> BinaryQuantizer:
    """Weights: -s and +s, s the mean magnitude (of each output channel, as `learned_weight`)."""
    return BinaryQuantizer(scale=StatScale(abs_mean, channel_dim=channel_dim if per_channel else None))


def ternary_weight(*, per_channel: bool = True, channel_dim: int = 0, threshold: float = 0.5) -> TernaryQuantizer:
    """Weights: -s, 0 and +s, s the mean magnitude (of each output channel, as `learned_weight`)."""
    scale = StatScale(abs_mean, channel_dim=channel_dim if per_channel else None)
    return TernaryQuantizer(scale=scale, threshold=threshold)


def learned_activation(
    *,
    bits: int = 8,
    base: int = 2,
    most: int = 16,
    max_val: float = 6.0,
    signed: bool = False,
    domain: Domain = LOG,
) -> IntQuantizer:
    """Activations: integers of learned width, with a learned threshold that starts at `max_val`.

    Args:
        bits: starting width; base, most: its bounds, in bits.
        max_val: starting threshold, in the unit of the values, above 0.
        signed: False behind a ReLU.
        domain: POW2 for steps that are powers of two, which recurrent layers need.
    """
    width = LearnedBits(bits, base=base, most=most)
    return IntQuantizer(bits=width, scale=LearnedScale(max_val, domain=domain), signed=signed)


def const_activation(
    *, bits: int = 8, max_val: float = 6.0, signed: bool = False, domain: Domain = LOG
) -> IntQuantizer:
    """Activations: integers of constant width, with a learned threshold that starts at `max_val`; else as learned."""
    return IntQuantizer(bits=bits, scale=LearnedScale(max_val, domain=domain), signed=signed)


def const_input(*, bits: int = 8, max_val: float = 1.0, signed: bool = False) -> IntQuantizer:
    """Network inputs: constant width and scale; the default takes 8-bit pixels divided by 255 back exactly.

    Args:
        bits: width.
        max_val: value of the largest code, unsigned; minus the value of the lowest, signed.
        signed: whether values can be below zero.
    """
    return IntQuantizer(bits=bits, scale=ConstScale(max_val), signed=signed)


def int8_input(*, max_val: float = 1.0, signed: bool = False) -> IntQuantizer:
    """`const_input` of 8 bits."""
    return const_input(bits=8, max_val=max_val, signed=signed)
