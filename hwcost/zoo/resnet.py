"""ResNet-8 of MLPerf Tiny on (3, 32, 32) images: three residual stacks of two convolutions each.

Source: Banbury et al., MLPerf Tiny Benchmark, arXiv:2106.07597; mlcommons/tiny, benchmark/training/
image_classification/keras_model.py (resnet_v1_eight): 77,360 parameters without biases, 12,501,632 multiply-adds.
"""

from torch import Tensor, nn

from hwcost.graph.ranges import integers
from hwcost.quant import QuantAdd, QuantAvgPool2d, QuantConv2d, QuantIdentity
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.floors import floors, from_path
from hwcost.zoo.mobilenet import average, classifier, quantizer_of
from hwcost.zoo.pictures import cifar10
from hwcost.zoo.precision import Precision, relu, weight

CHANNELS = (16, 32, 64)
LAST_SIDE = 8
"""Side of the last feature map, in pixels."""


def _conv(before: int, after: int, kernel: int, stride: int, precision: Precision | None) -> QuantConv2d:
    return QuantConv2d(
        before, after, kernel, stride=stride, padding=kernel // 2, bias=False, weight_quant=weight(precision)
    )


class _Stack(nn.Module):
    """Two 3x3 convolutions plus the input, which a 1x1 convolution reshapes where the shapes differ.

    Both branches are quantized on one signed grid before they are added.
    """

    def __init__(self, before: int, after: int, precision: Precision | None) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.conv1 = _conv(before, after, 3, stride, precision)
        self.norm1 = nn.BatchNorm2d(after)
        self.relu1 = relu(precision)
        self.conv2 = _conv(after, after, 3, 1, precision)
        self.norm2 = nn.BatchNorm2d(after)
        self.matched = before != after
        if self.matched:
            self.match = _conv(before, after, 1, stride, precision)
            self.match_norm = nn.BatchNorm2d(after)
        grid = None if precision is None else precision.activation(signed=True)
        self.grid = QuantIdentity(grid)
        self.add = None if grid is None else QuantAdd(grid, ready=(0, 1))
        self.relu2 = relu(precision)

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, H, W) -> (N, after, H', W')."""
        y = self.grid(self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x))))))
        side = self.grid(self.match_norm(self.match(x)) if self.matched else x)
        total = y + side if self.add is None else self.add(side, y)
        out: Tensor = self.relu2(total)
        return out


class ResNet8(nn.Module):
    """conv3x3x16, stacks of 16, 32 and 64 channels, an average, a dense layer.

    Args:
        precision: of all weights and activations; None builds the network in float.
        classes: scores.
    """

    def __init__(self, precision: Precision | None, *, classes: int = 10) -> None:
        super().__init__()
        self.conv = _conv(3, CHANNELS[0], 3, 1, precision)
        self.norm = nn.BatchNorm2d(CHANNELS[0])
        self.relu = relu(precision)
        self.stacks = nn.Sequential()
        before = CHANNELS[0]
        for number, after in enumerate(CHANNELS, start=1):
            stack = _Stack(before, after, precision)
            self.stacks.add_module(f"stack{number}", stack)
            before = after
        last = quantizer_of(stack.relu2)
        self.pool: QuantAvgPool2d = average(precision, LAST_SIDE, last)
        self.fc = classifier(precision, before, classes, last)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, classes) scores."""
        maps = self.pool(self.stacks(self.relu(self.norm(self.conv(x)))))
        scores: Tensor = self.fc(maps.flatten(1))
        return scores


recipe = Recipe(
    name="resnet8",
    data=from_path("resnet8", "the folder of CIFAR-10's batches, python or binary", cifar10),
    input=integers(8, signed=False),
    example=(3, 32, 32),
    training=Training(epochs=10, batch=128, lr=6e-3),
    device="ZCU104",
    fps=1_000,
    **floors(ResNet8),
)
