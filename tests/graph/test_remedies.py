"""Advice names layers that exist, and those that `convert` would take."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost import quant
from hwcost.errors import HwcostError, UnknownOperation
from hwcost.graph.remedies import ADVICE, BY_HAND, remedy
from hwcost.graph.rules import RULES, Call
from hwcost.graph.spec import LayerSpec
from hwcost.graph.trace import trace
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


class Made(nn.Module):
    """A function of a sample, and the layers that it calls."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def dense(i: int = 6, o: int = 4) -> nn.Module:
    return nn.Linear(i, o)


def conv(**options: Any) -> nn.Module:
    return nn.Conv2d(3, 4, 3, **options)


def factor() -> nn.Module:
    return quant.QuantScaleBias(4, bias=False, weight_quant=quant.const_weight(bits=4))


ROW, MAP, STEPS = (6,), (3, 8, 8), (5, 6)

REMEDIES: dict[str, tuple[tuple[int, ...], nn.Module, str, nn.Module]] = {
    "group norm": (MAP, nn.Sequential(conv(), nn.GroupNorm(2, 4)), "use nn.BatchNorm1d or nn.BatchNorm2d",
                   nn.Sequential(conv(), nn.BatchNorm2d(4))),
    "F.batch_norm": (MAP, Made(lambda x, c: F.batch_norm(c(x), torch.zeros(4), torch.ones(4)), conv()),
                     "use nn.BatchNorm1d or nn.BatchNorm2d", nn.Sequential(conv(), nn.BatchNorm2d(4))),
    "no statistics": (MAP, nn.Sequential(conv(), nn.BatchNorm2d(4, track_running_stats=False)),
                      "use track_running_stats=True", nn.Sequential(conv(), nn.BatchNorm2d(4))),
    "F.layer_norm": (STEPS, Made(lambda x, f: F.layer_norm(f(x), (4,)), dense()), "use nn.LayerNorm",
                     nn.Sequential(dense(), nn.LayerNorm(4))),
    "recurrent": (STEPS, Made(lambda x, r: r(x)[0], nn.RNN(6, 4, batch_first=True)), "use nn.GRU",
                  Made(lambda x, r: r(x)[0], nn.GRU(6, 4, batch_first=True))),
    "attention": (STEPS, Made(lambda x, f: F.scaled_dot_product_attention(f(x), f(x), f(x)), dense(6, 6)),
                  "use nn.MultiheadAttention",
                  Made(lambda x, f, a: a(*[f(x)] * 3)[0], dense(6, 6), nn.MultiheadAttention(6, 1, batch_first=True))),
    "gate": (ROW, Made(lambda x, f, g, h: h(f(x) * F.softmax(g(x), -1)), dense(), dense(), dense(4, 2)),
             "for a gate torch.sigmoid",
             Made(lambda x, f, g, h: h(f(x) * g(x).sigmoid()), dense(), dense(), dense(4, 2))),
    "mean of all": (MAP, Made(lambda x, c: c(x).mean(), conv()), r"name the dimensions, as x.mean\(\(2, 3\)\)",
                    Made(lambda x, c: c(x).mean((2, 3)), conv())),
    "one bound": (ROW, Made(lambda x, f: f(x).clamp(min=0.5), dense()), "give two bounds, or use a ReLU",
                  Made(lambda x, f: f(x).clamp(0.5, 4.0), dense())),
    "constant factor": (ROW, Made(lambda x, f, g: g(f(x) * torch.full((4,), 2.0)), dense(), dense(4, 2)),
                        "use a QuantScaleBias, a factor per channel",
                        Made(lambda x, f, s, g: g(s(f(x))), dense(), factor(), dense(4, 2))),
    "bilinear": (MAP, nn.Sequential(conv(), nn.Upsample(scale_factor=2, mode="bilinear")), "use mode='nearest'",
                 nn.Sequential(conv(), nn.Upsample(scale_factor=2, mode="nearest"))),
    "every other": (MAP, Made(lambda x, c: c(x)[:, :, ::2], conv()), "use slices of step 1",
                    Made(lambda x, c: c(x)[:, :, 0:3:1], conv())),
    "one channel": (MAP, Made(lambda x, c: c(x)[:, 1], conv()), r"keep it, as x\[:, 0:1\]",
                    Made(lambda x, c: c(x)[:, 0:1], conv())),
    "padded with two": (MAP, nn.Sequential(conv(), nn.ConstantPad2d(1, 2.0), nn.Conv2d(4, 2, 3)), "use nn.ZeroPad2d",
                        nn.Sequential(conv(), nn.ZeroPad2d(1), nn.Conv2d(4, 2, 3))),
    "reflected": (MAP, nn.Sequential(conv(padding=1, padding_mode="reflect")), "use 'zeros'",
                  nn.Sequential(conv(padding=1, padding_mode="zeros"))),
    "mean of less": (MAP, nn.Sequential(conv(), nn.AvgPool2d(2, padding=1, count_include_pad=False)),
                     "use count_include_pad=True", nn.Sequential(conv(), nn.AvgPool2d(2, padding=1))),
    "windows of two sizes": (MAP, nn.Sequential(conv(), nn.AdaptiveMaxPool2d(4)), "give an output size that divides",
                             nn.Sequential(conv(), nn.AdaptiveMaxPool2d(3))),
    "indices": (MAP, Made(lambda x, c, p: p(c(x))[0], conv(), nn.MaxPool2d(2, return_indices=True)), "drop the indices",
                Made(lambda x, c, p: p(c(x)), conv(), nn.MaxPool2d(2))),
}  # fmt: skip
"""What a network does -> shape, network, the remedy that is said, the network with the remedy applied to the letter."""


@pytest.mark.parametrize("case", REMEDIES)
def test_a_remedy_applied_to_the_letter_converts_and_traces(case: str) -> None:
    shape, wrong, said, mended = REMEDIES[case]
    example = torch.zeros(1, *shape)
    with pytest.raises(HwcostError, match=said):
        quant.convert(wrong, "learned8", example=example)
    net = quant.convert(mended, "learned8", example=example)
    assert trace(net, example, input_bits=8).layers()


@pytest.mark.parametrize("kind", [nn.LPPool2d, nn.CosineSimilarity])
def test_what_is_kept_needs_a_rule_that_is_named(kind: type[nn.Module]) -> None:
    layer = nn.LPPool2d(1, 2) if kind is nn.LPPool2d else nn.CosineSimilarity()
    remedied = rf"name it in keep=, and give trace\(\) a rule for it: rules=RULES \| \{{nn\.{kind.__name__}: rule\}}"
    with pytest.raises(UnknownOperation, match=remedied):
        quant.convert(nn.Sequential(conv(), layer), "learned8")
    if kind is nn.LPPool2d:
        net = quant.convert(nn.Sequential(conv(), layer), "learned8", keep=("1",))
        rule = lambda call, *signals, shape: LayerSpec(output=replace(signals[0], shape=shape))  # noqa: E731 # a user's
        assert trace(net, torch.zeros(1, *MAP), input_bits=8, rules=RULES | {kind: rule}).layers()


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_of_several_results_is_refused_and_not_left_out(kind: type[nn.Module]) -> None:
    """Such a pipeline was empty, and cost nothing."""
    for net in (nn.Sequential(kind(6, 4, batch_first=True)), Made(lambda x, r: r(x)[0], kind(6, 4, batch_first=True))):
        with pytest.raises(UnknownOperation, match=f"{kind.__name__} has no rule and no describe") as refused:
            trace(net, torch.zeros(1, 5, 6), input_bits=8)
        assert len(str(refused.value).splitlines()) == 1
