"""Small networks around layers on sequences: normalization, attention, embeddings, recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.graph.ranges import Range, between
from hwcost.quant import (
    LOG,
    POW2,
    IntQuantizer,
    LearnedScale,
    QuantAdd,
    QuantConv1d,
    QuantConv2d,
    QuantEmbedding,
    QuantGRU,
    QuantIdentity,
    QuantLayerNorm,
    QuantLinear,
    QuantLSTM,
    QuantMultiheadAttention,
    QuantReLU,
    QuantRMSNorm,
    const_weight,
    learned_activation,
    learned_weight,
)

WEIGHT = partial(learned_weight, bits=6)


def signed(bits: int = 6, most: float = 3.0) -> IntQuantizer:
    return learned_activation(bits=bits, max_val=most, signed=True)


def grid(bits: int = 8, *, power: bool = False) -> IntQuantizer:
    return IntQuantizer(bits=bits, scale=LearnedScale(4.0, domain=POW2 if power else LOG))


class First(nn.Module):
    """The first of what a layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


class SelfAttention(nn.Module):
    """Attention of a sequence to itself."""

    def __init__(self, features: int, heads: int, length: int, **options: Any) -> None:
        super().__init__()
        self.attention = QuantMultiheadAttention(
            features, heads, length, weight_quant=WEIGHT, activation=signed, **options
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x)[0]
        return y


class Encoder(nn.Module):
    """An encoder block: attention and two linear layers, each behind a norm and around which its input passes."""

    def __init__(self, features: int, heads: int, length: int) -> None:
        super().__init__()
        first, second, third, fourth = (grid() for _ in range(4))
        self.norm1 = QuantLayerNorm(features, input_quant=first)
        self.enter = QuantIdentity(second)
        self.attention = SelfAttention(features, heads, length)
        self.add1 = QuantAdd(third)
        self.norm2 = QuantLayerNorm(features, input_quant=grid())
        self.enter2 = QuantIdentity(signed())
        self.wide = QuantLinear(features, 2 * features, weight_quant=WEIGHT())
        self.relu = QuantReLU(learned_activation(bits=6, max_val=3.0))
        self.narrow = QuantLinear(2 * features, features, weight_quant=WEIGHT())
        self.add2 = QuantAdd(fourth)

    def forward(self, x: Tensor) -> Tensor:
        y = self.add1(x, self.attention(self.enter(self.norm1(x))))
        z: Tensor = self.add2(y, self.narrow(self.relu(self.wide(self.enter2(self.norm2(y))))))
        return z


class TinyViT(nn.Module):
    """Patches of a picture, an encoder block, the mean of all tokens by a linear layer over the flattened ones."""

    def __init__(self, side: int = 8, patch: int = 2, features: int = 16, classes: int = 4) -> None:
        super().__init__()
        self.pixels = QuantIdentity(grid(power=True))
        self.patches = QuantConv2d(1, features, patch, patch, weight_quant=WEIGHT())
        self.enter = QuantIdentity(signed(8))
        self.block = Encoder(features, 2, (side // patch) ** 2)
        self.leave = QuantIdentity(signed())
        self.head = QuantLinear(features * (side // patch) ** 2, classes, weight_quant=WEIGHT(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.enter(self.patches(self.pixels(x))).flatten(2).transpose(1, 2)
        scores: Tensor = self.head(self.leave(self.block(tokens)).flatten(1))
        return scores


class KeywordSpotter(nn.Module):
    """A convolution over spectra in time, a GRU, and a classifier of its last state."""

    def __init__(self, bands: int = 10, hidden: int = 16, classes: int = 4) -> None:
        super().__init__()
        self.spectra = QuantIdentity(grid())
        self.conv = QuantConv1d(bands, 12, 3, weight_quant=WEIGHT())
        self.relu = QuantReLU(learned_activation(bits=6))
        self.gru = QuantGRU(12, hidden, weight_quant=WEIGHT, input_quant=grid(power=True))
        self.head = QuantLinear(hidden, classes, weight_quant=WEIGHT(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(self.relu(self.conv(self.spectra(x))).transpose(1, 2))
        scores: Tensor = self.head(states[:, -1])
        return scores


class Tagger(nn.Module):
    """Tokens, an LSTM of two layers, a score per token."""

    def __init__(self, tokens: int = 20, features: int = 6) -> None:
        super().__init__()
        self.embedding = QuantEmbedding(tokens, features, weight_quant=const_weight(bits=4, per_channel=False))
        self.lstm = QuantLSTM(features, 8, 2, weight_quant=WEIGHT, input_quant=grid(power=True))
        self.head = QuantLinear(8, 3, weight_quant=WEIGHT(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.lstm(self.embedding(x))[0])
        return scores


def behind(layer: nn.Module, features: int) -> nn.Sequential:
    """A layer, an activation, and a linear layer."""
    return nn.Sequential(layer, QuantIdentity(signed()), QuantLinear(features, 3, weight_quant=WEIGHT()))


@dataclass(frozen=True)
class Case:
    """A network, the shape of a sample, and the tokens that enter, where they are tokens."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    tokens: int = 0

    def batch(self, count: int) -> Tensor:
        """Random inputs: float64, or tokens."""
        shape = (count, *self.shape)
        return torch.randint(0, self.tokens, shape) if self.tokens else 1.5 * torch.randn(shape).double()

    @property
    def wire(self) -> Range | None:
        """What `trace` is told of the input."""
        return between(0, self.tokens - 1) if self.tokens else None


CASES = {
    "layer norm": Case(lambda: behind(QuantLayerNorm(16, input_quant=grid()), 16), (5, 16)),
    "layer norm of 17": Case(lambda: behind(QuantLayerNorm(17, input_quant=grid(5)), 17), (5, 17)),
    "layer norm of a vector": Case(lambda: behind(QuantLayerNorm(12, input_quant=grid()), 12), (12,)),
    "rms norm": Case(lambda: behind(QuantRMSNorm(8, input_quant=grid(6), affine=False, bits=5), 8), (3, 8)),
    "attention": Case(lambda: SelfAttention(16, 2, 8, input_quant=grid()), (8, 16)),
    "attention of powers of two": Case(lambda: SelfAttention(12, 3, 5, input_quant=grid(), softmax="pow2"), (5, 12)),
    "lstm": Case(lambda: behind(First(QuantLSTM(6, 8, weight_quant=WEIGHT, input_quant=grid(power=True))), 8), (7, 6)),
    "gru": Case(
        lambda: behind(First(QuantGRU(6, 8, 2, weight_quant=WEIGHT, input_quant=grid(6, power=True))), 8), (7, 6)
    ),
    "gru without bias": Case(
        lambda: behind(First(QuantGRU(3, 4, 1, False, weight_quant=WEIGHT, input_quant=grid(4, power=True))), 4), (5, 3)
    ),
    "encoder": Case(lambda: nn.Sequential(QuantIdentity(grid()), Encoder(16, 2, 6)), (6, 16)),
    "vit": Case(TinyViT, (1, 8, 8)),
    "keywords": Case(KeywordSpotter, (10, 14)),
    "tagger": Case(Tagger, (9,), 20),
}


def built(name: str, *, seed: int = 0) -> nn.Module:
    """A network in float64 with random biases and factors."""
    torch.manual_seed(seed)
    net = CASES[name].build()
    for parameter in net.parameters():
        if parameter.ndim == 1 and parameter.numel() > 2:
            nn.init.normal_(parameter, 0.3, 0.4)
    return net.double().eval()
