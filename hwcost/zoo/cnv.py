"""CNV: six convolutions and three dense layers for (3, 32, 32) images, with few bits.

Source: CNV of FINN and BNN-PYNQ (Umuroglu et al., FINN, FPGA 2017; Xilinx/BNN-PYNQ, bnn/src/network/cnvW1A1).
"""

from __future__ import annotations

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    binary_weight,
    const_activation,
    const_weight,
)

CONVOLUTIONS = (64, 64, 128, 128, 256, 256)
DENSE = (512, 512)


class QuantCNV(nn.Module):
    """conv3x3 64-64-pool-128-128-pool-256-256, fc 512-512-classes; no padding, batch norm behind every product.

    Args:
        weight_bits, activation_bits: 1 (bipolar) to 8, constant.
        classes: scores.
    """

    def __init__(self, weight_bits: int = 1, activation_bits: int = 1, classes: int = 10) -> None:
        super().__init__()
        for name, bits in (("weight_bits", weight_bits), ("activation_bits", activation_bits)):
            if not 1 <= bits <= 8:
                raise BadOption(f"QuantCNV: {name}={bits}; give 1 to 8")

        def weight() -> IntQuantizer | BinaryQuantizer:
            return binary_weight() if weight_bits == 1 else const_weight(bits=weight_bits)

        def activation() -> nn.Module:
            if activation_bits == 1:
                return QuantIdentity(BinaryQuantizer(scale=ConstScale(1.0), clipped=True))
            return QuantReLU(const_activation(bits=activation_bits))

        layers: dict[str, nn.Module] = {}
        channels = 3
        for index, rows in enumerate(CONVOLUTIONS):
            layers[f"conv{index}"] = QuantConv2d(channels, rows, 3, bias=False, weight_quant=weight())
            layers[f"conv{index}_norm"] = nn.BatchNorm2d(rows)
            layers[f"conv{index}_act"] = activation()
            if index in (1, 3):
                layers[f"pool{index}"] = nn.MaxPool2d(2)
            channels = rows
        layers["flat"] = nn.Flatten()
        for index, rows in enumerate(DENSE):
            layers[f"fc{index}"] = QuantLinear(channels, rows, bias=False, weight_quant=weight())
            layers[f"fc{index}_norm"] = nn.BatchNorm1d(rows)
            layers[f"fc{index}_act"] = activation()
            channels = rows
        layers["fc2"] = QuantLinear(channels, classes, bias=False, weight_quant=weight())
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, classes) scores."""
        for layer in self.children():
            x = layer(x)
        return x


PADDED_CLASSES = 64
"""Rows of the last layer as BNN-PYNQ builds it; the first ten are used."""


def w1a1() -> QuantCNV:
    """Bipolar weights and activations, as built by BNN-PYNQ."""
    return QuantCNV(1, 1, PADDED_CLASSES)


def w2a2() -> QuantCNV:
    """Two bits each, as built by BNN-PYNQ."""
    return QuantCNV(2, 2, PADDED_CLASSES)
