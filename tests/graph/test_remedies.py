"""Advice names layers that exist, and those that `convert` would take."""

import re

import torch
from torch import nn

from hwcost import quant
from hwcost.graph.remedies import ADVICE, BY_HAND, remedy
from hwcost.graph.rules import RULES, Call
from hwcost.quant import Exp
from hwcost.quant.counterparts import COUNTERPARTS, CURVES


def named(advice: str) -> set[str]:
    return set(re.findall(r"Quant\w+", advice))


def test_every_layer_that_is_named_exists_and_nothing_with_a_rule_is_advised_against() -> None:
    for key, advice in (ADVICE | BY_HAND).items():
        assert key not in RULES
        assert all(hasattr(quant, name) for name in named(advice)), key
        assert all(hasattr(nn, name) for name in re.findall(r"nn\.(\w+)", advice)), key


def test_advice_agrees_with_the_counterparts_of_convert() -> None:
    built = {
        nn.Linear: "QuantLinear",
        nn.Conv1d: "QuantConv1d",
        nn.Conv2d: "QuantConv2d",
        nn.ConvTranspose2d: "QuantConvTranspose2d",
        nn.ReLU6: "QuantReLU",
        nn.Hardtanh: "QuantHardTanh",
        nn.Sigmoid: "QuantSigmoid",
        nn.Tanh: "QuantTanh",
        nn.AvgPool2d: "QuantAvgPool2d",
        nn.Conv3d: "QuantConv3d",
        nn.ConvTranspose1d: "QuantConvTranspose1d",
        nn.PReLU: "QuantPReLU",
        nn.AvgPool1d: "QuantAvgPool1d",
        **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), "QuantAdaptiveAvgPool"),
        nn.LayerNorm: "QuantLayerNorm",
        nn.RMSNorm: "QuantRMSNorm",
        nn.Embedding: "QuantEmbedding",
        nn.LSTM: "QuantLSTM",
        nn.GRU: "QuantGRU",
        nn.MultiheadAttention: "QuantMultiheadAttention",
        **dict.fromkeys(set(CURVES) - {Exp}, "QuantActivation"),
    }
    of_torch = {kind for kind in COUNTERPARTS if kind.__module__.startswith("torch.")}
    assert built.keys() == of_torch - {nn.ReLU}  # a float ReLU has a rule
    for key, name in built.items():
        assert named(ADVICE[key]) == {name}


def test_a_sum_with_a_constant_needs_no_second_stream() -> None:
    x = torch.zeros(1, 4)
    assert "QuantAdd" in remedy(Call(module=None, target=torch.add, args=(x, x), kwargs={}))
    assert "QuantAdd" not in remedy(Call(module=None, target=torch.add, args=(x, 1.0), kwargs={}))
    assert "nothing in hwcost.quant" in remedy(Call(module=nn.RReLU(), args=(), kwargs={}))


def test_convert_is_advised_only_for_what_it_converts() -> None:
    assert not BY_HAND.keys() & (ADVICE.keys() | COUNTERPARTS.keys())
    assert remedy(Call(module=nn.LSTMCell(4, 4), args=(), kwargs={})).startswith("use nn.LSTM, which hwcost.quant.conv")
    assert "convert" in remedy(Call(module=nn.Linear(4, 4), args=(), kwargs={}))
