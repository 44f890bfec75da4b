"""Quantized counterparts of the layers of torch.nn, and how one is made from the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from hwcost.errors import BadOption
from hwcost.graph.rules import RULES
from hwcost.quant import sequences
from hwcost.quant.functions import Add, Concatenate, Mean, Multiply, Position, Prefix, Requantize
from hwcost.quant.layers.activation import QuantHardTanh, QuantIdentity, QuantReLU, QuantSigmoid, QuantTanh
from hwcost.quant.layers.average import QuantAdaptiveAvgPool, QuantMean
from hwcost.quant.layers.conv import QuantConv1d, QuantConv2d, QuantConv3d
from hwcost.quant.layers.curve import Exp, QuantActivation, QuantPReLU
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.merge import QuantAdd, QuantConcat
from hwcost.quant.layers.multiply import QuantMul
from hwcost.quant.layers.pool import AveragePool, QuantAvgPool1d, QuantAvgPool2d
from hwcost.quant.layers.product import Product
from hwcost.quant.layers.transposed import QuantConvTranspose1d, QuantConvTranspose2d

Keywords = Mapping[str, Any]
Convolved = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d
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
            raise BadOption(
                f"{type(layer).__name__} has padding_mode={layer.padding_mode!r}; hardware pads with zeros: use 'zeros'"
            )
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
    if low != -high and keywords["quant"] is not None:
        return QuantActivation(layer, keywords["quant"])
    if low != -high or (keywords["quant"] is None and high != 1):
        raise BadOption(
            f"Hardtanh clips at {low:g} and {high:g}; a quantizer clips at equal distances, and without one it is 1; "
            "return None to leave it"
        )
    return QuantHardTanh(keywords["quant"])


def _avg_pool(kind: type[AveragePool]) -> Counterpart:
    def build(layer: nn.AvgPool1d | nn.AvgPool2d, keywords: Keywords) -> nn.Module:
        around = [side for side in reversed(_sides(layer.padding, kind.rank)) for _ in range(2)]
        uneven = any(around) and not layer.count_include_pad
        if uneven or layer.ceil_mode or getattr(layer, "divisor_override", None) is not None:
            raise BadOption(
                f"{type(layer).__name__}({layer.extra_repr()}), count_include_pad={layer.count_include_pad}: hardware "
                "divides every window by its size; use count_include_pad=True, no ceil_mode and no divisor_override"
            )
        sizes = (size[0] if len({*size}) == 1 else size for size in map(_pair, (layer.kernel_size, layer.stride)))
        pool = kind(*sizes, **keywords)
        zeros: Any = nn.ConstantPad1d if kind.rank == 1 else nn.ConstantPad2d
        return nn.Sequential(zeros(tuple(around), 0.0), pool) if any(around) else pool

    return Counterpart(build=build, keywords=POOL, needed=None)


def _sides(size: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (size,) * rank if isinstance(size, int) else tuple(size) * (rank // len(tuple(size)))


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


def _curve(layer: nn.Module, keywords: Keywords) -> nn.Module:
    return QuantActivation(layer, **keywords)


def _prelu(layer: nn.PReLU, keywords: Keywords) -> nn.Module:
    fresh = QuantPReLU(keywords["quant"], layer.num_parameters)
    fresh.weight = layer.weight
    return fresh


def _mean(layer: Mean, keywords: Keywords) -> nn.Module:
    return QuantMean(layer.dim, keepdim=layer.keepdim)


CURVES = (
    *(nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.ELU, nn.CELU, nn.SELU),
    *(nn.Softplus, nn.Softsign, nn.LogSigmoid, Exp),
)
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
        nn.Conv3d: _product(QuantConv3d, *CONV),
        nn.ConvTranspose1d: _product(QuantConvTranspose1d, *CONV, "output_padding"),
        **dict.fromkeys(CURVES, Counterpart(build=_curve, keywords=("quant", "input_quant"))),
        nn.PReLU: Counterpart(build=_prelu),
        nn.AvgPool1d: _avg_pool(QuantAvgPool1d),
        nn.AvgPool2d: _avg_pool(QuantAvgPool2d),
        **dict.fromkeys(
            (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
            Counterpart(build=lambda layer, _: QuantAdaptiveAvgPool(layer.output_size), keywords=(), needed=None),
        ),
        Add: Counterpart(build=lambda layer, keywords: QuantAdd(keywords["quant"])),
        Concatenate: Counterpart(build=lambda layer, keywords: QuantConcat(keywords["quant"])),
        Requantize: Counterpart(build=lambda layer, keywords: QuantIdentity(keywords["quant"])),
        Multiply: Counterpart(
            build=lambda layer, keywords: QuantMul(**keywords), keywords=("left_quant", "right_quant"), needed=None
        ),
        **dict.fromkeys(
            (nn.LayerNorm, nn.RMSNorm),
            Counterpart(build=sequences.norm, keywords=sequences.NORM, needed="input_quant"),
        ),
        nn.Embedding: Counterpart(build=sequences.embedding, keywords=("weight_quant",), needed="weight_quant"),
        nn.LSTM: Counterpart(build=sequences.recurrent, keywords=sequences.LSTM, needed="weight_quant"),
        nn.GRU: Counterpart(build=sequences.recurrent, keywords=sequences.GRU, needed="weight_quant"),
        nn.MultiheadAttention: Counterpart(
            build=sequences.attention, keywords=sequences.ATTENTION, needed="weight_quant"
        ),
        Position: Counterpart(build=sequences.position),
        Prefix: Counterpart(build=sequences.prefix),
        Mean: Counterpart(build=_mean, keywords=(), needed=None),
    }
)

PASSING = tuple(key for key in RULES if isinstance(key, type) and key not in COUNTERPARTS)
"""Layers that stay as they are: `trace` has rules for them."""
