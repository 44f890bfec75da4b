"""Policies: which quantizers `convert` gives to which float layer."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from hwcost.quant.counterparts import CURVES, Keywords
from hwcost.quant.functions import Add, Concatenate, Position, Prefix, Requantize
from hwcost.quant.layers.curve import RISING, Exp
from hwcost.quant.presets import (
    binary_weight,
    const_activation,
    const_weight,
    learned_activation,
    learned_weight,
    ternary_weight,
)
from hwcost.quant.quantizers import Quantizer
from hwcost.quant.scale import POW2

Policy = Callable[[str, nn.Module], Keywords | None]
"""(name of a layer, the float layer) -> keywords of its quantized counterpart, or None to leave it as it is."""


def uniform(*, weight: Callable[..., Quantizer | None], activation: Callable[..., Quantizer | None]) -> Policy:
    """The policy that treats every layer alike; average pooling keeps its whole sum.

    Args:
        weight: makes a quantizer for weights, called without arguments; with channel_dim=1 for a transposed
            convolution, and with per_channel=False if that has groups, or for an embedding.
        activation: makes one for activations, called without arguments for ReLU; with max_val=6 for ReLU6, max_val=1
            for Sigmoid, max_val= and signed=True for Tanh and Hardtanh; signed=True and domain=POW2 for what enters
            recurrent layers.

    >>> policy = uniform(weight=partial(learned_weight, bits=6), activation=partial(learned_activation, bits=5))
    >>> sorted(policy("fc", nn.Linear(3, 2)))
    ['weight_quant']
    """

    def policy(name: str, layer: nn.Module) -> Keywords:
        match layer:
            case nn.ConvTranspose1d() | nn.ConvTranspose2d():
                place = {"channel_dim": 1} if layer.groups == 1 else {"per_channel": False}
                return {"weight_quant": weight(**place)}
            case nn.Linear() | nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                return {"weight_quant": weight()}
            case nn.AvgPool1d() | nn.AvgPool2d():
                return {"truncate": False}
            case nn.Embedding():
                return {"weight_quant": weight(per_channel=False)}
            case nn.LSTM() | nn.GRU():
                return {"weight_quant": weight, "input_quant": activation(signed=True, domain=POW2)}
            case nn.MultiheadAttention():
                return {"weight_quant": weight, "activation": partial(activation, signed=True)}
            case nn.LayerNorm() | nn.RMSNorm():
                return {"input_quant": activation(signed=True)}
        return _activated(layer, activation)

    return policy


def _activated(layer: nn.Module, activation: Callable[..., Quantizer | None]) -> Keywords:
    """Quantizers of what leaves a layer without weights, and of the codes that a table is looked up by."""
    match layer:
        case nn.ReLU6():
            return {"quant": activation(max_val=6.0)}
        case nn.ReLU() | nn.Softplus():
            return {"quant": activation()}
        case nn.Sigmoid() | nn.Hardsigmoid():
            return {"quant": activation(max_val=1.0)}
        case nn.Tanh() | nn.Softsign():
            return {"quant": activation(max_val=1.0, signed=True)}
        case nn.Hardtanh():
            return {"quant": activation(max_val=max(abs(layer.min_val), abs(layer.max_val)), signed=True)}
        case Exp():
            return {"quant": activation(), "input_quant": activation(signed=True)}
        case Add() | Concatenate() | Requantize():
            return {"quant": activation(signed=True) if layer.signed else activation()}
        case Position() | Prefix():
            return {"quant": activation(signed=True)}
    if isinstance(layer, (*RISING, nn.PReLU)):
        return {"quant": activation(signed=True)}
    return (
        {"quant": activation(signed=True), "input_quant": activation(signed=True)} if isinstance(layer, CURVES) else {}
    )


PRESETS: Mapping[str, Policy] = MappingProxyType(
    {
        "int8": uniform(weight=partial(const_weight, bits=8), activation=partial(const_activation, bits=8)),
        "int4": uniform(weight=partial(const_weight, bits=4), activation=partial(const_activation, bits=4)),
        "learned8": uniform(weight=partial(learned_weight, bits=8), activation=partial(learned_activation, bits=8)),
        "learned4": uniform(weight=partial(learned_weight, bits=4), activation=partial(learned_activation, bits=4)),
        "binary": uniform(weight=binary_weight, activation=partial(const_activation, bits=8)),
        "ternary": uniform(weight=ternary_weight, activation=partial(const_activation, bits=8)),
    }
)
"""Policies by name. The number is the width of weights and activations (learned: the starting width); in networks
with binary or ternary weights, activations have 8 bits. Scales: the largest weight of each output channel (binary,
ternary: the mean magnitude), and a learned threshold per activation, which starts at 6."""
