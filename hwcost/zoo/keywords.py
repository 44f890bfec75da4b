"""DS-CNN, the keyword spotter of MLPerf Tiny: one convolution, four depthwise-separable ones, a dense layer.

Source: Banbury et al., MLPerf Tiny Benchmark, arXiv:2106.07597; Zhang et al., Hello Edge, arXiv:1711.07128; mlcommons/
tiny, benchmark/training/keyword_spotting/keras_model.py: 64 channels, spectra of 49 x 10.
"""

from torch import nn

from hwcost.graph.ranges import unknown
from hwcost.quant import QuantConv2d, QuantIdentity, const_input
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.data import spectrograms
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.mobilenet import average, classifier, quantizer_of
from hwcost.zoo.precision import Precision, relu, weight

CHANNELS = 64
UNITS = 4
SPECTRUM = (1, 49, 10)
"""(1, times, features) of a sample."""
MAP = (25, 5)
"""Times and features behind the first convolution."""
FIRST = (10, 4)
"""Kernel of the first convolution."""
INPUT_BITS, INPUT_MAX = 8, 4.0
"""Width in bits and largest magnitude of the standardised features."""


class DSCNN(nn.Sequential):
    """(N, 1, 49, 10) spectra -> (N, classes) scores.

    The average is over squares of 5 x 5, so the classifier sees five time windows where the original sees one mean.

    Args:
        precision: precision of all weights and activations; None builds the network in float.
        classes: scores; 12 in MLPerf Tiny.
        channels: of every convolution.
    """

    def __init__(self, precision: Precision | None, *, classes: int = 12, channels: int = CHANNELS) -> None:
        super().__init__()
        features = None if precision is None else const_input(bits=INPUT_BITS, max_val=INPUT_MAX, signed=True)
        self.features = QuantIdentity(features)
        first = QuantConv2d(1, channels, FIRST, stride=2, padding=(5, 1), bias=False, weight_quant=weight(precision))
        self._unit("conv", first, precision)
        for number in range(1, UNITS + 1):
            depthwise = QuantConv2d(
                channels, channels, 3, padding=1, groups=channels, bias=False, weight_quant=weight(precision)
            )
            self._unit(f"depthwise{number}", depthwise, precision)
            pointwise = QuantConv2d(channels, channels, 1, bias=False, weight_quant=weight(precision))
            self._unit(f"pointwise{number}", pointwise, precision)
        times, side = MAP
        last = quantizer_of(self[-1])
        self.pool = average(precision, side, last)
        self.flatten = nn.Flatten()
        self.fc = classifier(precision, channels * (times // side), classes, last)

    def _unit(self, name: str, conv: QuantConv2d, precision: Precision | None) -> None:
        self.add_module(name, conv)
        self.add_module(f"{name}_norm", nn.BatchNorm2d(conv.out_channels))
        self.add_module(f"{name}_relu", relu(precision))


recipe = Recipe(
    name="ds-cnn",
    data=from_path("ds-cnn", "an npz file of spectra (N, 49, 10), e.g. spoken digits", spectrograms),
    input=unknown(),  # floating features: the network quantizes them
    example=SPECTRUM,
    training=Training(epochs=16, batch=64, lr=6e-3),
    device="PYNQ-Z1",
    fps=1_000,
    **floors(lambda precision: DSCNN(precision, classes=10)),
)
