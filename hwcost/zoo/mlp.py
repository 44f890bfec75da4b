"""Multilayer perceptrons for tables of features and for flattened images."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers, unknown
from hwcost.quant import QuantIdentity, QuantLinear, const_input
from hwcost.quant.quantizers import Quantizer
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.data import images, table
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.precision import Precision, relu, weight

TRIGGER = (64, 32, 32)
"""Hidden layers of the 16-64-32-32-n network for particle triggers (Duarte et al., JINST 13 P07027, 2018)."""
FINN_HIDDEN = {"tfc": (64,) * 3, "sfc": (256,) * 3, "lfc": (1024,) * 3}
"""Hidden layers of FINN's perceptrons for MNIST: tiny, small and large (Umuroglu et al., FPGA 2017, section 5)."""
PIXELS, DIGITS = 28 * 28, 10
DROPOUT = 0.2


class MLP(nn.Sequential):
    """Flatten, (dense - batch norm - ReLU) per hidden size, then dense: (N, features or an image) -> (N, classes).

    Args:
        sizes: features, hidden sizes and classes, at least 1 each.
        precision: precision of the quantizers; None builds the same network in float.
        input_quant: quantizer of floating features; None leaves the input unchanged.
        dropout: share of activations dropped in training behind each ReLU; 0 to below 1.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        precision: Precision | None,
        *,
        input_quant: Quantizer | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise BadOption(f"MLP: sizes {tuple(sizes)}; give features, hidden sizes and classes, at least 1 each")
        self.flatten = nn.Flatten()
        if input_quant is not None:
            self.features = QuantIdentity(input_quant)
        for number, (before, after) in enumerate(pairwise(sizes[:-1]), start=1):
            self.add_module(f"fc{number}", QuantLinear(before, after, bias=False, weight_quant=weight(precision)))
            self.add_module(f"norm{number}", nn.BatchNorm1d(after))
            self.add_module(f"relu{number}", relu(precision))
            if dropout:
                self.add_module(f"drop{number}", nn.Dropout(dropout))
        # one scale for all classes: the largest integer is the largest score
        last = weight(precision, per_channel=False)
        self.add_module(f"fc{len(sizes) - 1}", QuantLinear(sizes[-2], sizes[-1], bias=False, weight_quant=last))


def finn_mlp(name: str, precision: Precision | None) -> MLP:
    """TFC, SFC or LFC for (1, 28, 28) images with 8-bit pixels.

    Args:
        name: "tfc", "sfc" or "lfc".
        precision: W1A1, W1A2 and W2A2 are published; None for float.
    """
    return MLP((PIXELS, *FINN_HIDDEN[name], DIGITS), precision, dropout=DROPOUT)


tfc_w1a1, sfc_w1a1, lfc_w1a1 = (partial(finn_mlp, name, Precision(1, 1)) for name in FINN_HIDDEN)
"""Perceptrons with bipolar weights and activations."""


def _mnist(name: str, fps: float) -> Recipe:
    return Recipe(
        name=name,
        data=from_path(name, "the folder of MNIST's idx files, or its npz file", images),
        input=integers(8, signed=False),
        example=(1, 28, 28),
        training=Training(epochs=4, batch=128, lr=6e-3),
        device="PYNQ-Z1",
        fps=fps,
        **floors(partial(finn_mlp, name)),
    )


tfc = _mnist("tfc", 100_000)
sfc = _mnist("sfc", 20_000)
lfc = _mnist("lfc", 5_000)


def _dry_bean_network(precision: Precision | None) -> MLP:
    features = None if precision is None else const_input(bits=8, max_val=4.0, signed=True)
    return MLP((16, *TRIGGER, 7), precision, input_quant=features)


dry_bean = Recipe(
    name="dry-bean",
    data=from_path("dry-bean", "an npz file of 16 floating features and 7 classes, as UCI's dry bean", table),
    input=unknown(),  # floating features: the network quantizes them
    example=(16,),
    training=Training(epochs=16, batch=128, lr=8e-3),
    device="PYNQ-Z1",
    fps=1_000_000,
    **floors(_dry_bean_network),
)


def _letter_network(precision: Precision | None) -> MLP:
    features = None if precision is None else const_input(bits=4, max_val=15 / 16)
    return MLP((16, *TRIGGER, 26), precision, input_quant=features)


letter = Recipe(
    name="letter",
    data=from_path("letter", "an npz file of 16 whole features below 16 and 26 classes, as UCI's letter", table),
    input=unknown(),  # sixteenths, which the network takes as they are: widths of single features can be learned
    example=(16,),
    training=Training(epochs=12, batch=128, lr=8e-3),
    device="PYNQ-Z1",
    fps=1_000_000,
    **floors(_letter_network),
)
