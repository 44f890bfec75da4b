"""Quantized counterparts of the layers of torch.nn, and how one is made from the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from hwcost.errors import BadOption
from hwcost.quant.layers.activation import QuantHardTanh, QuantIdentity, QuantReLU, QuantSigmoid, QuantTanh
from hwcost.quant.layers.conv import QuantConv1d, QuantConv2d
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.pool import QuantAvgPool2d
from hwcost.quant.layers.product import Product
from hwcost.quant.layers.transposed import QuantConvTranspose2d

PASSING = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Flatten,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.MaxPool1d,
    nn.MaxPool2d,
)
"""Layers that stay as they are: `trace` has rules for them."""

Keywords = Mapping[str, Any]
Convolved = nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d
CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
PRODUCT = ("weight_quant", "input_quant", "bias_quant", "accumulator", "source")


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """Replacement of a float layer.

    Attributes:
        build: (float layer, keywords) -> quantized layer.
        keywords: those it may have; needed: the one it must have, or None.
    """

    build: Callable[[Any, Keywords], nn.Module]
    keywords: tuple[str, ...] = ("quant",)
    needed: str | None = "quant"


def _product(kind: type[Product], *names: str) -> Counterpart:
    """A layer built without memory takes over these attributes and the Parameters, then the quantizers."""

    def build(layer: Convolved | nn.Linear, keywords: Keywords) -> nn.Module:
        if getattr(layer, "padding_mode", "zeros") != "zeros":
            raise BadOption(f"{type(layer).__name__} has padding_mode={layer.padding_mode!r}; hardware pads with zeros")
        given = {name: 0 if (value := getattr(layer, name)) == "valid" else value for name in names}
        with torch.device("meta"):
            fresh = kind(**given, bias=layer.bias is not None, weight_quant=None)
        fresh.weight, fresh.bias = layer.weight, layer.bias
        fresh.adopt(**keywords)  # last: they may look at the weight
        return fresh

    return Counterpart(build=build, keywords=PRODUCT, needed="weight_quant")


def _activation(kind: type[QuantIdentity]) -> Counterpart:
    return Counterpart(build=lambda layer, keywords: kind(keywords["quant"]))


def _relu6(layer: nn.ReLU6, keywords: Keywords) -> nn.Module:
    if keywords["quant"] is None:
        raise BadOption("ReLU6 clips at 6, and only a quantizer can; give it one, or return None to leave it")
    return QuantReLU(keywords["quant"])


def _hardtanh(layer: nn.Hardtanh, keywords: Keywords) -> nn.Module:
    low, high = float(layer.min_val), float(layer.max_val)
    if low != -high or (keywords["quant"] is None and high != 1):
        raise BadOption(
            f"Hardtanh clips at {low:g} and {high:g}; a quantizer clips at equal distances, and without one it is 1; "
            "return None to leave it"
        )
    return QuantHardTanh(keywords["quant"])


def _avg_pool(layer: nn.AvgPool2d, keywords: Keywords) -> nn.Module:
    sides = {*_pair(layer.kernel_size)}, {*_pair(layer.stride)}
    plain = {*_pair(layer.padding)} == {0} and not layer.ceil_mode and layer.divisor_override is None
    if not plain or any(len(side) > 1 for side in sides):
        raise BadOption(
            f"AvgPool2d({layer.extra_repr()}): its counterpart has a square window and stride, no padding, no "
            "ceil_mode and no divisor_override; return None to leave it"
        )
    (kernel,), (stride,) = sides
    return QuantAvgPool2d(kernel, stride, **keywords)


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


POOL = ("truncate", "corrected", "least", "most", "source")

COUNTERPARTS: Mapping[type[nn.Module], Counterpart] = MappingProxyType(
    {
        nn.Linear: _product(QuantLinear, "in_features", "out_features"),
        nn.Conv1d: _product(QuantConv1d, *CONV),
        nn.Conv2d: _product(QuantConv2d, *CONV),
        nn.ConvTranspose2d: _product(QuantConvTranspose2d, *CONV, "output_padding"),
        nn.ReLU: _activation(QuantReLU),
        nn.ReLU6: Counterpart(build=_relu6),
        nn.Sigmoid: _activation(QuantSigmoid),
        nn.Tanh: _activation(QuantTanh),
        nn.Hardtanh: Counterpart(build=_hardtanh),
        nn.AvgPool2d: Counterpart(build=_avg_pool, keywords=POOL, needed=None),
    }
)
