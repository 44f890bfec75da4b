"""Quantized counterparts of float layers: the same values with the weights quantized by hand, and what has none."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    PRESETS,
    BiasQuantizer,
    Exp,
    QuantActivation,
    QuantAdaptiveAvgPool,
    QuantAdd,
    QuantAvgPool1d,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantMean,
    QuantMul,
    QuantPReLU,
    QuantReLU,
    QuantSigmoid,
    QuantTanh,
    convert,
    learned_activation,
    learned_weight,
)
from hwcost.quant.counterparts import COUNTERPARTS, CURVES
from hwcost.quant.functions import Add, Concatenate, Mean, Multiply, Position, Prefix, Requantize


def test_every_kind_of_layer() -> None:
    """Value for value as the float layer with the quantizer applied by hand."""
    torch.manual_seed(0)
    weighted: list[tuple[nn.Module, type[nn.Module], Tensor]] = [
        (nn.Linear(5, 3), QuantLinear, torch.randn(2, 5)),
        (nn.Conv1d(2, 4, 3, 2, 1, 2), QuantConv1d, torch.randn(2, 2, 9)),
        (nn.Conv1d(2, 4, 4, padding="same"), QuantConv1d, torch.randn(2, 2, 9)),
        (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), groups=2), QuantConv2d, torch.randn(2, 4, 7, 6)),
        (nn.Conv2d(4, 6, 4, padding="same", dilation=(2, 1), bias=False), QuantConv2d, torch.randn(2, 4, 7, 6)),
        (nn.Conv2d(4, 6, 3, padding="valid"), QuantConv2d, torch.randn(2, 4, 7, 6)),
        (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), QuantConvTranspose2d, torch.randn(2, 3, 5, 4)),
        (nn.ConvTranspose2d(4, 4, 3, groups=2, bias=False), QuantConvTranspose2d, torch.randn(2, 4, 5, 4)),
        (nn.ConvTranspose1d(3, 4, 4, 2, 1), QuantConvTranspose1d, torch.randn(2, 3, 5)),
        (nn.Conv3d(2, 3, 3, 1, 1), QuantConv3d, torch.randn(2, 2, 4, 4, 5)),
    ]
    for layer, kind, x in weighted:
        by_hand = copy.deepcopy(layer)
        new = convert(layer, "int4")
        assert type(new) is kind
        by_hand.weight.data = new.weight_quant(by_hand.weight).detach()  # type: ignore[operator,union-attr] # converted
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Using padding='same' with even kernel"
            )  # torch, of its own layer
            expected = by_hand(x)
        assert torch.equal(new(x), expected), layer
    plain: list[tuple[nn.Module, type[nn.Module]]] = [
        (nn.ReLU(), QuantReLU),
        (nn.ReLU6(), QuantReLU),
        (nn.Sigmoid(), QuantSigmoid),
        (nn.Tanh(), QuantTanh),
        (nn.Hardtanh(-2, 2), QuantHardTanh),
        (nn.AvgPool2d(2, 1), QuantAvgPool2d),
        (nn.AvgPool2d((2, 4)), QuantAvgPool2d),
        (nn.AdaptiveAvgPool2d(4), QuantAdaptiveAvgPool),
        (Mean((2, 3)), QuantMean),
        (Requantize(), QuantIdentity),
        (nn.Hardtanh(-1, 2), QuantActivation),
        *((kind(), QuantActivation) for kind in CURVES),
    ]
    x = torch.linspace(-5, 5, 64).reshape(1, 1, 8, 8)
    for layer, kind in plain:
        keywords = PRESETS["int8"]("layer", layer)
        assert keywords is not None
        new = COUNTERPARTS[type(layer)].build(layer, keywords)
        assert type(new) is kind
        error = (new(x) - layer(x)).abs().max()
        # a signed range stops one step below its threshold: 2 / 128 is the most that any of them is off
        exact = kind in (QuantAvgPool2d, QuantAdaptiveAvgPool, QuantMean)
        steps = 25.0 if isinstance(layer, Exp) else 6.0  # an input that is a step off, where a function is steep
        bound = 2 / 128 if kind in (QuantReLU, QuantSigmoid, QuantTanh, QuantHardTanh) else steps / 128 * 2
        assert error <= (0 if exact else bound + 1e-6) or isinstance(layer, Exp), layer
    line = torch.randn(2, 3, 8)
    for layer, kind in [(nn.AvgPool1d(2), QuantAvgPool1d), (nn.AdaptiveAvgPool1d(2), QuantAdaptiveAvgPool)]:
        new = convert(layer, "int8")
        assert type(new) is kind and torch.equal(new(line), layer(line))
    slopes = convert(nn.PReLU(3, init=0.25), "int8")
    assert type(slopes) is QuantPReLU
    merges = {Add: QuantAdd, Concatenate: QuantConcat, Multiply: QuantMul}
    for float_kind, quant_kind in merges.items():
        assert type(COUNTERPARTS[float_kind].build(None, PRESETS["int8"]("merge", float_kind()))) is quant_kind
    pools = {nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.PReLU}
    sequences = {nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.LSTM, nn.GRU, nn.MultiheadAttention, Position, Prefix}
    converted = {type(layer) for layer, *_ in [*weighted, *plain]} | pools | set(merges)
    assert converted | sequences == set(COUNTERPARTS)  # those of sequences: test_sequences.py


@pytest.mark.parametrize(
    "layer,keywords,message",
    [
        (nn.Linear(2, 2), {"weight_bits": 3, "weight_quant": None}, "weight_bits.*weight_quant.*input_quant"),
        (nn.Linear(2, 2), {}, "nothing.*'weight_quant'"),
        (nn.Linear(2, 2), {"weight_quant": 8}, "weight_quant=8"),
        (nn.Linear(2, 2, bias=False), {"weight_quant": None, "bias_quant": BiasQuantizer()}, "bias"),
        (nn.ConvTranspose2d(2, 2, 3), {"weight_quant": learned_weight()}, "dimension 1"),
        (nn.ConvTranspose2d(2, 2, 3, groups=2), {"weight_quant": learned_weight(channel_dim=1)}, "groups"),
        (nn.ReLU(), {"weight_quant": None}, "'quant'"),
        (nn.ReLU(), {"quant": learned_activation(signed=True)}, "signed"),
        (nn.ReLU6(), {"quant": None}, "clips at 6"),
        (nn.Hardtanh(-2, 2), {"quant": None}, "-2 and 2"),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), {}, "count_include_pad"),
        (nn.AvgPool2d(2, ceil_mode=True), {}, "ceil_mode"),
        (nn.AvgPool2d(2, divisor_override=3), {}, "divisor"),
        (nn.AvgPool2d(2), {"most": 0}, "most=0"),
    ],
)
def test_refusals_name_the_layer(layer: nn.Module, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption, match=f"(?s)^0: .*{message}"):
        convert(nn.Sequential(layer), lambda name, layer: keywords)
