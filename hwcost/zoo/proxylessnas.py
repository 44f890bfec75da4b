"""ProxylessNAS Mobile14 on (3, 224, 224) images: inverted bottlenecks found by a search for phones.

Sources: Cai, Zhu and Han, ProxylessNAS, ICLR 2019, arXiv:1812.00332, and its repository mit-han-lab/proxylessnas,
README (76.7% top-1, 581 million multiply-adds); 6,857,568 parameters: osmr/imgclsmob, pytorchcv/models/proxylessnas.py;
in few bits: Xilinx/brevitas, examples/models/proxylessnas.py, whose names of layers these are.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import HadamardClassifier, QuantAdd, QuantConv2d, QuantHardTanh, const_weight
from hwcost.zoo import mobilenet
from hwcost.zoo.precision import Precision, weight

STEM = 48
LAST = 1792
EPS = 1e-3
BOTTLENECK_MAX = 10.0
"""Initial threshold behind a linear bottleneck."""


@dataclass(frozen=True)
class Unit:
    """An inverted bottleneck.

    Attributes:
        rows: output channels.
        kernel: side of the depthwise convolution, in pixels.
        expansion: channels of the depthwise convolution per input channel; 1 omits the first pointwise convolution.
        residual: whether the input is added to the output.
    """

    rows: int
    kernel: int
    expansion: int
    residual: bool = True


STAGES = (
    (Unit(24, 3, 1, residual=False),),
    (Unit(40, 5, 3, residual=False), Unit(40, 3, 3)),
    (Unit(56, 7, 3, residual=False), Unit(56, 3, 3), Unit(56, 5, 3), Unit(56, 5, 3)),
    (
        *(Unit(112, 7, 6, residual=False), *[Unit(112, 5, 3)] * 3),
        *(Unit(136, 5, 6, residual=False), *[Unit(136, 5, 3)] * 3),
    ),
    (
        *(Unit(256, 7, 6, residual=False), Unit(256, 7, 6), Unit(256, 7, 3), Unit(256, 7, 3)),
        Unit(448, 7, 6, residual=False),
    ),
)
"""The first depthwise convolution of each stage but the first halves the map."""


class _ProxylessUnit(nn.Module):
    """Bottleneck, quantizer, and sum with the input; `grid` is shared by all summands."""

    def __init__(
        self,
        channels: int,
        unit: Unit,
        stride: int,
        precision: Precision | None,
        depthwise: Precision | None,
        grid: nn.Module,
    ) -> None:
        super().__init__()
        middle = channels * unit.expansion
        body: OrderedDict[str, nn.Module] = OrderedDict()
        if unit.expansion > 1:
            wide = QuantConv2d(channels, middle, 1, bias=False, weight_quant=weight(precision))
            body["bc_conv"] = mobilenet.conv_block(wide, "activ", mobilenet.relu6(depthwise, channels=middle), eps=EPS)
        apart = QuantConv2d(
            middle,
            middle,
            unit.kernel,
            stride=stride,
            padding=unit.kernel // 2,
            groups=middle,
            bias=False,
            weight_quant=weight(depthwise),
        )
        narrow = QuantConv2d(middle, unit.rows, 1, bias=False, weight_quant=weight(precision))
        body["dw_conv"] = mobilenet.conv_block(apart, "activ", mobilenet.relu6(precision), eps=EPS)
        body["pw_conv"] = mobilenet.conv_block(narrow, "activ", grid, eps=EPS)
        self.body = nn.Sequential(body)
        self.shared_act = grid
        self.residual = unit.residual
        if unit.residual and isinstance(grid, QuantHardTanh) and grid.quant is not None:
            self.add = QuantAdd(grid.quant, ready=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, rows, H', W')."""
        y: Tensor = self.body(x)
        if not self.residual:
            return y
        y = self.add(x, y) if hasattr(self, "add") else x + y
        out: Tensor = self.shared_act(y)
        return out


class ProxylessNASMobile14(nn.Module):
    """A convolution, 20 inverted bottlenecks, a pointwise convolution, an average, a classifier.

    Thresholds are per channel in front of a depthwise convolution. All summands of a group share one quantization grid,
    that of its first bottleneck.

    Args:
        precision: of all but the first weights, 2 bits and more; None builds the network in float.
        depthwise: of the depthwise convolutions' inputs and weights; None for `precision`.
        hadamard: rows of a Hadamard matrix for a classifier, instead of a dense layer.
        classes: scores.
        image: pixels per side, a multiple of 32.
    """

    def __init__(
        self,
        precision: Precision | None,
        *,
        depthwise: Precision | None = None,
        hadamard: bool = False,
        classes: int = mobilenet.CLASSES,
        image: int = 224,
    ) -> None:
        super().__init__()
        if image < mobilenet.SHRINK or image % mobilenet.SHRINK:
            raise BadOption(f"ProxylessNASMobile14: image={image}; give a multiple of {mobilenet.SHRINK}")
        if precision is None and depthwise is not None:
            raise BadOption("ProxylessNASMobile14: depthwise without precision; give both, or neither for float")
        apart = depthwise or precision
        first = None if precision is None else const_weight(bits=mobilenet.STEM_BITS)
        stem = QuantConv2d(3, STEM, 3, stride=2, padding=1, bias=False, weight_quant=first)
        self.features = nn.Sequential(
            OrderedDict(init_block=mobilenet.conv_block(stem, "activ", mobilenet.relu6(precision), eps=EPS))
        )
        channels, grid = STEM, _grid(precision)
        for number, units in enumerate(STAGES, start=1):
            stage = nn.Sequential()
            for place, unit in enumerate(units, start=1):
                if not unit.residual:
                    grid = _grid(precision)
                stride = 2 if place == 1 and number > 1 else 1
                stage.add_module(f"unit{place}", _ProxylessUnit(channels, unit, stride, precision, apart, grid))
                channels = unit.rows
            self.features.add_module(f"stage{number}", stage)
        final = QuantConv2d(channels, LAST, 1, bias=False, weight_quant=weight(precision))
        self.features.add_module(
            "final_block", mobilenet.conv_block(final, "activ", mobilenet.relu6(precision), eps=EPS)
        )
        last = mobilenet.quantizer_of(self.features.get_submodule("final_block.activ"))
        self.final_pool = mobilenet.average(precision, image // mobilenet.SHRINK, last)
        self.output = (
            HadamardClassifier(LAST, classes) if hadamard else mobilenet.classifier(precision, LAST, classes, last)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, image, image) -> (N, classes) scores."""
        scores: Tensor = self.output(self.final_pool(self.features(x)).flatten(1))
        return scores


def _grid(precision: Precision | None) -> nn.Module:
    if precision is None:
        return nn.Identity()
    return QuantHardTanh(precision.activation(max_val=BOTTLENECK_MAX, signed=True))


reference = partial(ProxylessNASMobile14, Precision(4, 4))
"""The network at 4 bits, with 8-bit first weights, for `hwcost estimate proxylessnas`."""
mixed = partial(reference, depthwise=Precision(5, 5))
"""`reference` with 5 bits for the inputs and weights of the depthwise convolutions."""
with_hadamard = partial(reference, hadamard=True)
"""`reference` with a classifier that stores no weights."""

hadamard_recipe = mobilenet.imagenet_recipe("proxylessnas-hadamard", partial(ProxylessNASMobile14, hadamard=True))
recipe = mobilenet.imagenet_recipe("proxylessnas", ProxylessNASMobile14)
