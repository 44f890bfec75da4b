"""Advice for operations that have no rule: the layer of hwcost.quant to write instead, where there is one."""

import operator
from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.graph.call import Call, RuleKey

RULE = "pass trace(..., rules=RULES | {op: rule})"

MEAN = "use QuantMean"
SIZED = "use QuantAdaptiveAvgPool"
NORM = "use nn.BatchNorm1d or nn.BatchNorm2d, which thresholds absorb"
CURVE = "use QuantActivation"
ENCODER = "write it with QuantMultiheadAttention, QuantLayerNorm, QuantLinear and QuantAdd"
ATTENTION = "use nn.MultiheadAttention, which hwcost.quant.convert() replaces"
SCORE = "leave it out of the network: the largest score is found without it, and the loss may compute it"

ADVICE: Mapping[RuleKey, str] = MappingProxyType(
    {
        **dict.fromkeys((nn.Linear, F.linear), "use QuantLinear"),
        **dict.fromkeys((nn.Conv1d, F.conv1d), "use QuantConv1d"),
        **dict.fromkeys((nn.Conv2d, F.conv2d), "use QuantConv2d"),
        **dict.fromkeys((nn.Conv3d, F.conv3d), "use QuantConv3d"),
        **dict.fromkeys((nn.ConvTranspose1d, F.conv_transpose1d), "use QuantConvTranspose1d"),
        **dict.fromkeys((nn.ConvTranspose2d, F.conv_transpose2d), "use QuantConvTranspose2d"),
        **dict.fromkeys((nn.ReLU6, F.relu6), "use QuantReLU with a threshold of 6"),
        **dict.fromkeys((nn.Hardtanh, F.hardtanh), "use QuantHardTanh"),
        **dict.fromkeys((nn.Sigmoid, torch.sigmoid, F.sigmoid, "sigmoid"), "use QuantSigmoid"),
        **dict.fromkeys((nn.Tanh, torch.tanh, F.tanh, "tanh"), "use QuantTanh"),
        **dict.fromkeys((nn.AvgPool2d, F.avg_pool2d), "use QuantAvgPool2d"),
        **dict.fromkeys((nn.AvgPool1d, F.avg_pool1d), "use QuantAvgPool1d"),
        **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), SIZED),
        **dict.fromkeys((F.adaptive_avg_pool1d, F.adaptive_avg_pool2d), SIZED),
        **dict.fromkeys((torch.mean, "mean"), MEAN),
        **dict.fromkeys((nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU), CURVE),
        **dict.fromkeys((nn.PReLU, F.prelu), "use QuantPReLU"),
        **dict.fromkeys((nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Softsign, nn.LogSigmoid), CURVE),
        **dict.fromkeys((F.gelu, F.silu, F.mish, F.elu, F.leaky_relu, F.hardswish, F.hardsigmoid, torch.exp), CURVE),
        **dict.fromkeys((F.softmax, F.log_softmax), SCORE),
        **dict.fromkeys((torch.softmax, torch.log_softmax, "softmax", "log_softmax"), SCORE),
        **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), "use QuantConcat, a layer that joins streams"),
        nn.LayerNorm: "use QuantLayerNorm",
        nn.RMSNorm: "use QuantRMSNorm",
        nn.Embedding: "use QuantEmbedding",
        nn.LSTM: "use QuantLSTM",
        nn.GRU: "use QuantGRU",
        nn.MultiheadAttention: "use QuantMultiheadAttention",
        **dict.fromkeys((nn.TransformerEncoder, nn.TransformerEncoderLayer), ENCODER),
    }
)
"""Advice for what `convert` replaces, too."""

BY_HAND: Mapping[RuleKey, str] = MappingProxyType(
    {
        **dict.fromkeys((nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, F.batch_norm), NORM),
        F.layer_norm: "use nn.LayerNorm, which hwcost.quant.convert() replaces",
        F.rms_norm: "use nn.RMSNorm, which hwcost.quant.convert() replaces",
        F.embedding: "use nn.Embedding, which hwcost.quant.convert() replaces",
        **dict.fromkeys((F.scaled_dot_product_attention, F.multi_head_attention_forward), ATTENTION),
        **dict.fromkeys((nn.RNN, nn.RNNCell, nn.GRUCell), "use nn.GRU, which hwcost.quant.convert() replaces"),
        nn.LSTMCell: "use nn.LSTM, which hwcost.quant.convert() replaces",
        **dict.fromkeys(
            (nn.Transformer, nn.TransformerDecoder, nn.TransformerDecoderLayer),
            f"{ATTENTION}, around your own loop over tokens",
        ),
    }
)
"""Advice for what `convert` leaves to the user."""

SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")


def remedy(call: Call) -> str:
    """Advise on a call that has no rule, in the second half of a sentence."""
    key: RuleKey | None = type(call.module) if call.module is not None else call.target
    if key is not None and key in ADVICE:
        return f"{ADVICE[key]}, or hwcost.quant.convert(), which does so; or {RULE}"
    if key is not None and key in BY_HAND:
        return f"{BY_HAND[key]}, or {RULE}"
    streams = sum(isinstance(value, Tensor) for value in (*call.args, *call.kwargs.values()))
    if key in SUMS and streams > 1:
        return f"use QuantAdd, a layer that brings both streams onto one grid, or {RULE}"
    if key in SUMS:
        return f"make the constant a bias of the layer in front, or {RULE}"
    if key in PRODUCTS and streams > 1:
        return f"use QuantMul, or {RULE}"
    if key in PRODUCTS and streams == 1:
        return f"use QuantScaleBias, which has one factor per channel, or {RULE}"
    return f"nothing in hwcost.quant does the same; give it a describe() method in a module of its own, or {RULE}"
