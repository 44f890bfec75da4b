"""CNV: six convolutions and three dense layers for (3, 32, 32) images, with few bits.

Source: CNV of FINN and BNN-PYNQ (Umuroglu et al., FINN, FPGA 2017; Xilinx/BNN-PYNQ, bnn/src/network/cnvW1A1).
"""

from functools import partial

from torch import nn

from hwcost.graph.ranges import integers
from hwcost.quant import QuantConv2d, QuantLinear
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.pictures import cifar10
from hwcost.zoo.precision import Precision, relu, weight

CONVOLUTIONS = (64, 64, 128, 128, 256, 256)
DENSE = (512, 512)


class QuantCNV(nn.Sequential):
    """conv3x3 64-64-pool-128-128-pool-256-256, fc 512-512-classes; no padding, batch norm behind every product.

    (N, 3, 32, 32) -> (N, classes) scores.

    Args:
        precision: of all weights and activations; None builds the network in float.
        classes: scores.
    """

    def __init__(self, precision: Precision | None, classes: int = 10) -> None:
        super().__init__()
        channels = 3
        for index, rows in enumerate(CONVOLUTIONS):
            conv = QuantConv2d(channels, rows, 3, bias=False, weight_quant=weight(precision))
            self._product(f"conv{index}", conv, nn.BatchNorm2d(rows), precision)
            if index in (1, 3):
                self.add_module(f"pool{index}", nn.MaxPool2d(2))
            channels = rows
        self.flat = nn.Flatten()
        for index, rows in enumerate(DENSE):
            dense = QuantLinear(channels, rows, bias=False, weight_quant=weight(precision))
            self._product(f"fc{index}", dense, nn.BatchNorm1d(rows), precision)
            channels = rows
        self.fc2 = QuantLinear(channels, classes, bias=False, weight_quant=weight(precision))

    def _product(self, name: str, product: nn.Module, norm: nn.Module, precision: Precision | None) -> None:
        self.add_module(name, product)
        self.add_module(f"{name}_norm", norm)
        self.add_module(f"{name}_act", relu(precision, max_val=6.0))


PADDED_CLASSES = 64
"""Rows of the last layer as BNN-PYNQ builds it; the first ten are used."""


w1a1, w1a2, w2a2 = (partial(QuantCNV, Precision(*bits), PADDED_CLASSES) for bits in ((1, 1), (1, 2), (2, 2)))
"""Networks as built by BNN-PYNQ: bits of the weights and of the activations; one bit is bipolar."""

recipe = Recipe(
    name="cnv",
    data=from_path("cnv", "the folder of CIFAR-10's batches, python or binary", cifar10),
    input=integers(8, signed=False),
    example=(3, 32, 32),
    training=Training(epochs=10, batch=128, lr=4e-3),
    device="ZCU104",
    fps=1_000,
    **floors(QuantCNV),
)
