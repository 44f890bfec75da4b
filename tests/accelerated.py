"""Small networks of every kind of block, and their accelerators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hwcost.build.accelerator import Accelerator, accelerator
from hwcost.build.draft import layout
from hwcost.build.trial_run import Priced
from hwcost.graph.ranges import integers
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.models.latency import latency_cycles
from hwcost.models.links import place
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    ConstBits,
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    binary_weight,
    const_activation,
    const_weight,
    ternary_weight,
)

STEP = 1 / 4
"""Value of one integer that enters."""


def relu(bits: int = 3, top: float = 2.0) -> QuantReLU:
    return QuantReLU(const_activation(bits=bits, max_val=top))


def one_scale(bits: int = 3) -> object:
    return const_weight(bits=bits, per_channel=False)


def dense() -> nn.Module:
    return nn.Sequential(
        QuantLinear(6, 4, bias=True, weight_quant=const_weight(bits=3)),
        relu(2),
        QuantLinear(4, 6, bias=False, weight_quant=one_scale()),
    )


def bipolar() -> nn.Module:
    norm = nn.BatchNorm1d(8)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -1.0] * 4))  # falling thresholds
    signs = lambda: QuantIdentity(const_activation(bits=2, max_val=1.0, signed=True))  # noqa: E731
    return nn.Sequential(
        QuantLinear(6, 8, bias=False, weight_quant=binary_weight()), norm, signs(),
        QuantLinear(8, 4, bias=False, weight_quant=ternary_weight(per_channel=False)),
    )  # fmt: skip


def convolution() -> nn.Module:
    norm = nn.BatchNorm2d(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -0.5, 0.5, -1.0]))  # pooled where values fall as integers rise
    return nn.Sequential(
        QuantConv2d(2, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=3)), norm,
        nn.MaxPool2d(2), relu(3),
        QuantConv2d(4, 6, 3, stride=2, padding=1, bias=False, weight_quant=const_weight(bits=2)), relu(2, 1.0),
        nn.Flatten(), QuantLinear(24, 3, bias=False, weight_quant=one_scale()),
    )  # fmt: skip


def depthwise() -> nn.Module:
    return nn.Sequential(
        QuantConv2d(4, 4, 3, padding=1, groups=4, bias=False, weight_quant=const_weight(bits=3)), relu(3),
        QuantConv2d(4, 8, 1, bias=False, weight_quant=const_weight(bits=2)), relu(2),
        QuantAvgPool2d(2, truncate=False),
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.grid = const_activation(bits=3, max_val=2.0)
        self.stem = QuantConv2d(2, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=3))
        self.act = QuantReLU(self.grid)
        self.branch = QuantConv2d(4, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=2))
        self.add = QuantAdd(self.grid, ready=(0,))
        self.head = QuantConv2d(4, 2, 1, bias=False, weight_quant=one_scale())

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        return self.head(self.add(x, self.branch(x)))


class Concat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = QuantConv2d(2, 4, 1, bias=False, weight_quant=const_weight(bits=3))
        self.right = QuantConv2d(2, 2, 3, padding=1, bias=False, weight_quant=const_weight(bits=2))
        self.joined = QuantConcat(const_activation(bits=3, max_val=2.0))
        self.head = QuantConv2d(6, 2, 1, bias=False, weight_quant=one_scale())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.joined(self.left(x), self.right(x)))


class Label(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = QuantLinear(6, 5, bias=False, weight_quant=one_scale())

    def forward(self, x: Tensor) -> Tensor:
        return torch.argmax(self.fc(x), 1)


def narrow() -> nn.Module:
    grid = const_activation(bits=3, max_val=2.0, signed=True)
    saturated = QuantLinear(
        6, 4, bias=True, weight_quant=one_scale(), bias_quant=BiasQuantizer(bits=ConstBits(4)), source=grid,
        accumulator=Accumulator(bits=5, mode="saturate"),
    )  # fmt: skip
    signed = QuantIdentity(const_activation(bits=4, max_val=2.0, signed=True))
    scale = QuantScaleBias(4, bias=False, weight_quant=const_weight(bits=3, per_channel=False))
    return nn.Sequential(QuantHardTanh(grid), saturated, signed, scale)


def truncated() -> nn.Module:
    grid = const_activation(bits=3, max_val=2.0)
    return nn.Sequential(
        QuantConv2d(2, 4, 3, bias=False, weight_quant=const_weight(bits=3)), QuantReLU(grid),
        QuantAvgPool2d(2, source=grid),
        QuantConv2d(4, 2, 1, bias=False, weight_quant=one_scale()),
    )  # fmt: skip


def single_pixel() -> nn.Module:
    return nn.Sequential(
        QuantConv2d(2, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=3)), relu(),
        nn.MaxPool2d(4), nn.Flatten(), QuantLinear(4, 3, bias=False, weight_quant=one_scale()),
    )  # fmt: skip


def sequence() -> nn.Module:
    return nn.Sequential(
        QuantConv1d(2, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=3)), relu(),
        nn.MaxPool1d(2), QuantConv1d(4, 2, 3, dilation=2, bias=False, weight_quant=one_scale()),
    )  # fmt: skip


def transposed() -> nn.Module:
    return nn.Sequential(
        QuantConv2d(2, 4, 3, padding=1, bias=False, weight_quant=const_weight(bits=3)), relu(),
        QuantConvTranspose2d(
            4, 2, 3, stride=2, padding=1, output_padding=1, bias=False,
            weight_quant=const_weight(bits=2, per_channel=False, channel_dim=1),
        ),
    )  # fmt: skip


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (dense, (6,)),
    "bipolar": (bipolar, (6,)),
    "label": (Label, (6,)),
    "narrow": (narrow, (6,)),
    "convolution": (convolution, (2, 8, 8)),
    "depthwise": (depthwise, (4, 6, 6)),
    "residual": (Residual, (2, 6, 6)),
    "concat": (Concat, (2, 6, 6)),
    "truncated": (truncated, (2, 6, 6)),
    "single pixel": (single_pixel, (2, 4, 4)),
    "sequence": (sequence, (2, 12)),
    "transposed": (transposed, (2, 4, 4)),
}


def traced(name: str) -> Pipeline:
    """One of the networks, with the same weights every time."""
    kind, shape = NETWORKS[name]
    torch.manual_seed(1)
    net = kind().eval()
    entering = {} if name == "narrow" else {"input_range": integers(3, signed=True)}
    return trace(net, torch.zeros(1, *shape), **entering)


def folded(pipeline: Pipeline, cycles: float, **styles: object) -> Dataflow:
    """Folded so that a frame takes at most these cycles."""
    folding = target_fps(pipeline, 100e6 / cycles)
    return Dataflow(device="xczu7ev", folding=folding, **styles)  # type: ignore[arg-type]


def built(pipeline: Pipeline, model: Dataflow) -> Accelerator:
    step = STEP if pipeline.inputs[0].range.known else None
    return accelerator(layout(pipeline, model, input_step=step))


def priced(pipeline: Pipeline, model: Dataflow) -> Priced:
    layers = pipeline.layers()
    interval = int(model.price(place(layers))["cycles"].max())
    return Priced(interval_cycles=interval, latency_cycles=latency_cycles(layers, model))
