"""The autoencoder of MLPerf Tiny: its reconstruction error of a machine's sound detects faults.

Source: Banbury et al., MLPerf Tiny Benchmark, arXiv:2106.07597; mlcommons/tiny, benchmark/training/anomaly_detection/
keras_model.py: 640-128-128-128-128-8-128-128-128-128-640, 264,192 multiply-adds.
"""

from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.graph.ranges import unknown
from hwcost.quant import QuantIdentity, QuantLinear, const_input
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.train.ready_tasks import RECONSTRUCTION
from hwcost.train.ready_tasks import separation as separation
from hwcost.zoo.data import anomalies
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.precision import Precision, relu, weight

FEATURES = 640
"""Five frames of 128 mel bands, in decibels, standardised."""
HIDDEN = (128,) * 4 + (8,) + (128,) * 4
INPUT_BITS, INPUT_MAX = 8, 4.0


class Autoencoder(nn.Sequential):
    """Dense layer, batch norm and ReLU per hidden size, then a dense layer back to the features; needs no labels.

    Train it with `hwcost sweep autoencoder`, or in your own loop, as examples/autoencoder.py does.

    Args:
        precision: of all weights and activations; None builds the network in float.
        features: of a sample.
    """

    def __init__(self, precision: Precision | None, *, features: int = FEATURES) -> None:
        super().__init__()
        enters = None if precision is None else const_input(bits=INPUT_BITS, max_val=INPUT_MAX, signed=True)
        self.features = QuantIdentity(enters)
        for number, (before, after) in enumerate(pairwise((features, *HIDDEN)), start=1):
            self.add_module(f"fc{number}", QuantLinear(before, after, bias=False, weight_quant=weight(precision)))
            self.add_module(f"norm{number}", nn.BatchNorm1d(after))
            self.add_module(f"relu{number}", relu(precision))
        self.out = QuantLinear(HIDDEN[-1], features, weight_quant=weight(precision))


def reconstruction_error(net: nn.Module, x: Tensor) -> Tensor:
    """Mean squared error of each sample, (N,); its mean is the loss, and a large error marks an anomaly."""
    return F.mse_loss(net(x), x, reduction="none").mean(1)


reference = partial(Autoencoder, Precision(8, 8))
"""The network at 8 bits, for `hwcost estimate autoencoder`."""

recipe = Recipe(
    name="autoencoder",
    task=RECONSTRUCTION,
    data=from_path("autoencoder", "an npz file of normal (0) and anomalous (1) sounds, (N, 640) features", anomalies),
    input=unknown(),
    example=(FEATURES,),
    training=Training(epochs=12, batch=128, lr=3e-3),
    device="PYNQ-Z1",
    fps=10_000,
    **floors(Autoencoder),
)
