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
from hwcost.quant.layers.product import Product, Quantizers
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


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """Replacement of a float layer.

    Attributes:
        build: (float layer, keywords) -> quantized layer.
        keywords: those it may have; needed: the one it must have, or None.
    """

    build: Callable[[Any, Keywords], nn.Module]
    keywords: tuple[str, ...]
    needed: str | None


def _adopted(fresh: Product, layer: Convolved | nn.Linear, keywords: Keywords) -> nn.Module:
    """A layer built without memory takes over the Parameters, then the quantizers, which may look at the weight."""
    fresh.weight = layer.weight
    fresh.bias = layer.bias
    fresh.adopt(Quantizers(**keywords))
    return fresh


def _linear(layer: nn.Linear, keywords: Keywords) -> nn.Module:
    with torch.device("meta"):
        fresh = QuantLinear(layer.in_features, layer.out_features, layer.bias is not None, weight_quant=None)
    return _adopted(fresh, layer, keywords)


def _geometry(layer: Convolved) -> dict[str, Any]:
    if layer.padding_mode != "zeros":
        raise BadOption(f"{type(layer).__name__} has padding_mode={layer.padding_mode!r}; hardware pads with zeros")
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    found = {name: getattr(layer, name) for name in names}
    if found["padding"] == "valid":
        found["padding"] = 0
    return {**found, "bias": layer.bias is not None, "weight_quant": None}


def _conv1d(layer: nn.Conv1d, keywords: Keywords) -> nn.Module:
    flat = {name: value[0] if isinstance(value, tuple) else value for name, value in _geometry(layer).items()}
    with torch.device("meta"):
        fresh = QuantConv1d(**flat)
    return _adopted(fresh, layer, keywords)


def _conv2d(layer: nn.Conv2d, keywords: Keywords) -> nn.Module:
    with torch.device("meta"):
        fresh = QuantConv2d(**_geometry(layer))
    return _adopted(fresh, layer, keywords)


def _transposed(layer: Any, keywords: Keywords) -> nn.Module:
    with torch.device("meta"):
        fresh = QuantConvTranspose2d(**_geometry(layer), output_padding=layer.output_padding)
    return _adopted(fresh, layer, keywords)


def _activation(kind: type[QuantIdentity]) -> Callable[[nn.Module, Keywords], nn.Module]:
    def build(layer: nn.Module, keywords: Keywords) -> nn.Module:
        return kind(keywords["quant"])

    return build


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


PRODUCT = ("weight_quant", "input_quant", "bias_quant", "accumulator", "source")
POOL = ("truncate", "corrected", "least", "most", "source")

COUNTERPARTS: Mapping[type[nn.Module], Counterpart] = MappingProxyType(
    {
        nn.Linear: Counterpart(build=_linear, keywords=PRODUCT, needed="weight_quant"),
        nn.Conv1d: Counterpart(build=_conv1d, keywords=PRODUCT, needed="weight_quant"),
        nn.Conv2d: Counterpart(build=_conv2d, keywords=PRODUCT, needed="weight_quant"),
        nn.ConvTranspose2d: Counterpart(build=_transposed, keywords=PRODUCT, needed="weight_quant"),
        nn.ReLU: Counterpart(build=_activation(QuantReLU), keywords=("quant",), needed="quant"),
        nn.ReLU6: Counterpart(build=_relu6, keywords=("quant",), needed="quant"),
        nn.Sigmoid: Counterpart(build=_activation(QuantSigmoid), keywords=("quant",), needed="quant"),
        nn.Tanh: Counterpart(build=_activation(QuantTanh), keywords=("quant",), needed="quant"),
        nn.Hardtanh: Counterpart(build=_hardtanh, keywords=("quant",), needed="quant"),
        nn.AvgPool2d: Counterpart(build=_avg_pool, keywords=POOL, needed=None),
    }
)
