"""The LeNet of early Brevitas' README, layer by layer, with learned bit-widths.

Source: Xilinx/brevitas, README.md at commit 4933e57 (2020-03-23).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.graph.ranges import integers
from hwcost.quant import IntQuantizer, QuantConv2d, QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.pictures import cifar10
from hwcost.zoo.precision import HEADROOM, Precision


class QuantLeNet(nn.Module):
    """conv5x5x6 - pool - conv5x5x16 - pool - fc120 - fc84 - fc10 on (3, 32, 32) images.

    Args:
        weight_bits, activation_bits: learned widths start here, in bits.
        base: floor of every learned width, in bits; None builds the network in float.
        activation_base: of activations, where it is another; None for `base`.
    """

    def __init__(
        self,
        weight_bits: int = 8,
        activation_bits: int = 8,
        base: int | None = 2,
        activation_base: int | None = None,
    ) -> None:
        super().__init__()

        def weight() -> IntQuantizer | None:
            return None if base is None else learned_weight(bits=weight_bits, base=base)

        def activation() -> IntQuantizer | None:
            if base is None:
                return None
            return learned_activation(bits=activation_bits, base=activation_base or base, max_val=6.0)

        self.conv1 = QuantConv2d(3, 6, 5, weight_quant=weight())
        self.relu1 = QuantReLU(activation())
        self.conv2 = QuantConv2d(6, 16, 5, weight_quant=weight())
        self.relu2 = QuantReLU(activation())
        self.fc1 = QuantLinear(16 * 5 * 5, 120, bias=True, weight_quant=weight())
        self.relu3 = QuantReLU(activation())
        self.fc2 = QuantLinear(120, 84, bias=True, weight_quant=weight())
        self.relu4 = QuantReLU(activation())
        self.fc3 = QuantLinear(84, 10, bias=False, weight_quant=weight())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 10) scores."""
        out = self.relu1(self.conv1(x))
        out = F.max_pool2d(out, 2)
        out = self.relu2(self.conv2(out))
        out = F.max_pool2d(out, 2)
        out = out.flatten(1)
        out = self.relu3(self.fc1(out))
        out = self.relu4(self.fc2(out))
        scores: Tensor = self.fc3(out)
        return scores


reference = QuantLeNet
"""The network at 8 bits throughout, for `hwcost estimate lenet`."""


def _at_floors(precision: Precision | None) -> QuantLeNet:
    if precision is None:
        return QuantLeNet(base=None)
    weight, activation = precision.weight_bits, precision.activation_bits
    return QuantLeNet(weight + HEADROOM, activation + HEADROOM, weight, activation)


recipe = Recipe(
    name="lenet",
    data=from_path("lenet", "the folder of CIFAR-10's batches, python or binary", cifar10),
    input=integers(8, signed=False),
    example=(3, 32, 32),
    training=Training(epochs=10, batch=128, lr=4e-3),
    device="PYNQ-Z1",
    fps=1_000,
    **floors(_at_floors),
)
