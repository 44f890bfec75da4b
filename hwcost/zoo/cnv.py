"""CNV: six convolutions and three dense layers for (3, 32, 32) images, with few bits.

Source: CNV of FINN and BNN-PYNQ (Umuroglu et al., FINN, FPGA 2017; Xilinx/BNN-PYNQ, bnn/src/network/cnvW1A1).
"""

from torch import Tensor, nn

from hwcost.graph.ranges import integers
from hwcost.quant import BinaryQuantizer, IntQuantizer, QuantConv2d, QuantLinear, QuantReLU
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.pictures import cifar10
from hwcost.zoo.precision import Precision

CONVOLUTIONS = (64, 64, 128, 128, 256, 256)
DENSE = (512, 512)


class QuantCNV(nn.Module):
    """conv3x3 64-64-pool-128-128-pool-256-256, fc 512-512-classes; no padding, batch norm behind every product.

    Args:
        precision: of all weights and activations; None builds the network in float.
        classes: scores.
    """

    def __init__(self, precision: Precision | None, classes: int = 10) -> None:
        super().__init__()

        def weight() -> IntQuantizer | BinaryQuantizer | None:
            return None if precision is None else precision.weight()

        def activation() -> nn.Module:
            return QuantReLU(None) if precision is None else precision.relu(max_val=6.0)

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
    return QuantCNV(Precision(1, 1), PADDED_CLASSES)


def w1a2() -> QuantCNV:
    """Bipolar weights and 2-bit activations, as built by BNN-PYNQ."""
    return QuantCNV(Precision(1, 2), PADDED_CLASSES)


def w2a2() -> QuantCNV:
    """Two bits each, as built by BNN-PYNQ."""
    return QuantCNV(Precision(2, 2), PADDED_CLASSES)


recipe = Recipe(
    name="cnv",
    data=from_path("cnv", "the folder of CIFAR-10's batches, python or binary", cifar10),
    input=integers(8, signed=False),
    example=(3, 32, 32),
    training=Training(epochs=10, batch=128, lr=4e-3),
    device="ZCU104",
    fps=1_000,
    **floors(QuantCNV, (11_000, 70_000)),
)
