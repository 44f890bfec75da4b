"""Precision of a network of the zoo: float, constant widths, or learned widths."""

from dataclasses import dataclass

import torch
from torch import nn

from hwcost import quant
from hwcost.errors import BadOption

HEADROOM = 3
"""Bits by which every learned width starts above its floor."""
MOST = 16
"""Largest learned width, in bits."""


@dataclass(frozen=True)
class Precision:
    """Widths of weights and activations, in bits.

    Attributes:
        weight_bits, activation_bits: 1 (bipolar) to 8 where constant. Floors where learned: at least 2 for
            weights and 1 (values 0 and 1) for activations; signed activations start at 2.
        learned: whether the widths are learned, from `HEADROOM` above their floor.
    """

    weight_bits: int
    activation_bits: int
    learned: bool = False

    def __post_init__(self) -> None:
        for name, least in (("weight_bits", 2 if self.learned else 1), ("activation_bits", 1)):
            bits = getattr(self, name)
            if not least <= bits <= 8:
                raise BadOption(f"precision: {name}={bits}; give {least} to 8")

    def weight(self, *, per_channel: bool = True) -> quant.IntQuantizer | quant.BinaryQuantizer:
        """Quantizer of weights, scaled per output channel or for the whole tensor."""
        if self.learned:
            return quant.learned_weight(
                bits=self.weight_bits + HEADROOM, base=self.weight_bits, per_channel=per_channel
            )
        if self.weight_bits == 1:
            return quant.binary_weight(per_channel=per_channel)
        return quant.const_weight(bits=self.weight_bits, per_channel=per_channel)

    def activation(
        self, *, max_val: float = 4.0, signed: bool = False, channels: int | None = None
    ) -> quant.IntQuantizer | quant.BinaryQuantizer:
        """Quantizer of activations, with a learned threshold that starts at `max_val`; bipolar at a constant 1 bit.

        Args:
            max_val: starting threshold, above 0.
            signed: False behind a ReLU.
            channels: of the image, where each has a threshold of its own; None for one in all.
        """
        floor = self.activation_bits
        if floor == 1 and not self.learned:
            return quant.BinaryQuantizer(scale=quant.ConstScale(1.0), clipped=True)
        floor = max(floor, 2) if signed else floor
        start = max_val if channels is None else torch.full((1, channels, 1, 1), max_val)
        bits = quant.LearnedBits(floor + HEADROOM, base=floor, most=MOST) if self.learned else floor
        return quant.IntQuantizer(bits=bits, scale=quant.LearnedScale(start), signed=signed)

    def relu(self, *, max_val: float = 4.0, channels: int | None = None) -> nn.Module:
        """ReLU with a quantizer; at a constant width of 1 bit, the sign."""
        grid = self.activation(max_val=max_val, channels=channels)
        return quant.QuantIdentity(grid) if isinstance(grid, quant.BinaryQuantizer) else quant.QuantReLU(grid)


def weight(
    precision: Precision | None, *, per_channel: bool = True
) -> quant.IntQuantizer | quant.BinaryQuantizer | None:
    """Quantizer of weights; None in float."""
    return None if precision is None else precision.weight(per_channel=per_channel)


def relu(precision: Precision | None, *, max_val: float = 4.0, channels: int | None = None) -> nn.Module:
    """ReLU, in float or with a quantizer."""
    return quant.QuantReLU(None) if precision is None else precision.relu(max_val=max_val, channels=channels)
