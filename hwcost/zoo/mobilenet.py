"""MobileNet V1 on (3, 224, 224) images: alternating depthwise and pointwise convolutions.

Sources: Howard et al., MobileNets, arXiv:1704.04861, table 1 (4.2 million parameters, 569 million multiply-adds, table
4); in few bits: Xilinx/brevitas, examples/models/mobilenetv1.py, whose names of layers these are.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.quant import BiasQuantizer, QuantAvgPool2d, QuantConv2d, QuantLinear, const_weight
from hwcost.quant.quantizers import Quantizer
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.pictures import image_folder
from hwcost.zoo.precision import Precision, relu, weight

STAGES = ((64,), (128, 128), (256, 256), (512,) * 6, (1024,) * 2)
"""Channels of each unit's pointwise convolution."""
STEM = 32
STEM_BITS = 8
"""Weight width of the first convolution, in bits, whatever the precision of the others."""
CLASSES = 1000
SHRINK = 32
"""Side of the image divided by the side of the last feature map."""
relu6 = partial(relu, max_val=6.0)
"""Thresholds start as in ReLU6."""


class MobileNetV1(nn.Module):
    """A convolution, 13 units of a depthwise and a pointwise convolution, an average, a dense layer.

    Thresholds are per channel in front of a depthwise convolution, which keeps channels apart, and for the whole map
    in front of the others. The average is a sum and a shift, as wide as an activation; the bias counts in steps of the
    accumulator.

    Args:
        precision: of all but the first weights, 2 bits and more; None builds the network in float.
        classes: scores.
        width: of every layer, as a share of the original's channels, above 0.
        image: pixels per side, a multiple of 32.
        stem_padding: pixels around the image; 1 as published, 0 as in Brevitas' example.
    """

    def __init__(
        self,
        precision: Precision | None,
        *,
        classes: int = CLASSES,
        width: float = 1.0,
        image: int = 224,
        stem_padding: int = 1,
    ) -> None:
        super().__init__()
        if image < SHRINK or image % SHRINK or width <= 0 or stem_padding not in (0, 1):
            raise BadOption(
                f"MobileNetV1: image={image}, width={width}, stem_padding={stem_padding}; give a multiple of {SHRINK}, "
                "a share above 0, and 0 or 1"
            )

        def block(conv: QuantConv2d, *, apart: bool) -> nn.Sequential:
            rows = conv.out_channels
            return conv_block(conv, "activation", relu6(precision, channels=rows if apart else None), eps=1e-5)

        channels = _scaled(STEM, width)
        stem = QuantConv2d(
            3,
            channels,
            3,
            stride=2,
            padding=stem_padding,
            bias=False,
            weight_quant=None if precision is None else const_weight(bits=STEM_BITS),
        )
        self.features = nn.Sequential()
        self.features.add_module("init_block", block(stem, apart=True))
        for number, rows_of_stage in enumerate(STAGES, start=1):
            stage = nn.Sequential()
            for unit, full in enumerate(rows_of_stage, start=1):
                rows = _scaled(full, width)
                stride = 2 if unit == 1 and number > 1 else 1
                depthwise = QuantConv2d(
                    channels,
                    channels,
                    3,
                    stride=stride,
                    padding=1,
                    groups=channels,
                    bias=False,
                    weight_quant=weight(precision),
                )
                pointwise = QuantConv2d(channels, rows, 1, bias=False, weight_quant=weight(precision))
                pair = nn.Sequential()
                pair.add_module("dw_conv", block(depthwise, apart=False))
                pair.add_module("pw_conv", block(pointwise, apart=number < len(STAGES)))
                stage.add_module(f"unit{unit}", pair)
                channels = rows
            self.features.add_module(f"stage{number}", stage)
        last = quantizer_of(pair.get_submodule("pw_conv.activation"))
        self.final_pool = average(precision, image // SHRINK, last)
        self.output = classifier(precision, channels, classes, last)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, image, image) -> (N, classes) scores."""
        scores: Tensor = self.output(self.final_pool(self.features(x)).flatten(1))
        return scores


def _scaled(channels: int, width: float) -> int:
    return max(1, int(channels * width))


def quantizer_of(activation: nn.Module) -> Quantizer | None:
    """Quantizer of an activation; None in float."""
    quant: Quantizer | None = activation.quant  # type: ignore[assignment] # of a QuantIdentity
    return quant


def conv_block(conv: QuantConv2d, name: str, activation: nn.Module, *, eps: float) -> nn.Sequential:
    """Convolution, batch norm, and the activation under its name."""
    return nn.Sequential(
        OrderedDict({"conv": conv, "bn": nn.BatchNorm2d(conv.out_channels, eps=eps), name: activation})
    )


def average(precision: Precision | None, side: int, source: Quantizer | None) -> QuantAvgPool2d:
    """Average over a map of side x side; with quantizers, its output is as wide as its input."""
    if precision is None:
        return QuantAvgPool2d(side, truncate=False)
    bits = precision.activation_bits
    return QuantAvgPool2d(side, least=bits, most=16 if precision.learned else bits, source=source)


def classifier(precision: Precision | None, features: int, classes: int, source: Quantizer | None) -> QuantLinear:
    """A dense layer with one scale for all classes: the largest integer is the largest score."""
    one_scale, bias = weight(precision, per_channel=False), None if precision is None else BiasQuantizer()
    return QuantLinear(features, classes, weight_quant=one_scale, bias_quant=bias, source=source)


def imagenet_recipe(name: str, network: Callable[[Precision | None], nn.Module]) -> Recipe:
    """Recipe for a folder of images with one sub-folder per class, of at most 1,000 classes."""
    return Recipe(
        name=name,
        data=from_path(
            name, "a folder of images, one sub-folder per class", partial(image_folder, size=224, classes=CLASSES)
        ),
        input=integers(8, signed=False),
        example=(3, 224, 224),
        training=Training(epochs=4, batch=32, lr=2e-3),
        device="Alveo-U250",
        fps=100,
        clock_mhz=200.0,
        **floors(network),
    )


reference = partial(MobileNetV1, Precision(4, 4))
"""The network at 4 bits, with 8-bit first weights, for `hwcost estimate mobilenet-v1`."""
recipe = imagenet_recipe("mobilenet-v1", MobileNetV1)
