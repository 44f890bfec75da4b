"""Biases on the grid of the accumulator: their step is input step times weight step."""

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, integers
from hwcost.graph.ste import ceil_ste
from hwcost.quant.bits import Bits, LearnedBits, Restrict, as_bits
from hwcost.quant.kernels import fake_quant


class BiasQuantizer(nn.Module):
    """Signed integers in the unit of the accumulator, so that adding a bias needs no scaling.

    Args:
        bits: width, at least 2; None takes the accumulator's width without bias.
    """

    def __init__(self, *, bits: Bits | None = None) -> None:
        super().__init__()
        self.bits = None if bits is None else as_bits(bits, "BiasQuantizer")
        if self.bits is not None and self.bits.base < 2:
            raise BadOption(f"BiasQuantizer: a signed width from {self.bits.base} bit; give at least 2")

    def width(self, product: Range) -> Tensor:
        """Width in bits, float64; `product` is the accumulator without bias."""
        if self.bits is None:
            return product.bits.clamp(min=2)
        width: Tensor = self.bits()
        real = isinstance(self.bits, LearnedBits) and self.bits.restrict is Restrict.FLOAT
        return (ceil_ste(width) if real else width).double()

    def range(self, product: Range) -> Range:
        return integers(self.width(product), signed=True)

    def quantize(self, bias: Tensor, step: Tensor, product: Range) -> Tensor:
        """Nearest multiples of the step in range.

        Args:
            bias: (channels,).
            step: of the accumulator, () or (channels,).
            product: range of the accumulator without bias.

        Returns:
            Like bias. Gradients to bias (inside the range), step and width.
        """
        width = self.width(product).to(step.device, torch.promote_types(step.dtype, torch.float32))
        # as a power-of-two quantizer, whose N is 2^(bits-1): the step comes out bit for bit
        return fake_quant(bias, step * torch.exp2(width - 1), width, signed=True, narrow=False, power=True)

    def forward(self, bias: Tensor, step: Tensor, product: Range) -> Tensor:
        return self.quantize(bias, step, product)
