"""Training step of layers on sequences, forward and backward, against that of torch in float, measured in turn.

    python benchmarks/sequence_step.py

prints the median of the ratios of 45 pairs of steps, in processor time of one thread, batch 32, at the sizes of the
networks of the tests: of layers, whose input has a gradient as inside a network, then of whole networks that `convert`
quantizes ("learned8").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from time import process_time

import torch
from torch import Tensor, nn

from hwcost.quant import (
    POW2,
    IntQuantizer,
    LearnedScale,
    QuantEmbedding,
    QuantGRU,
    QuantLayerNorm,
    QuantLSTM,
    QuantMultiheadAttention,
    calibrate_scales,
    convert,
    learned_activation,
    learned_weight,
)


class Spotter(nn.Module):
    """A convolution over spectra, a GRU, a classifier of its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(40, 64, 5, 2, 2), nn.BatchNorm1d(64)
        self.gru, self.head = nn.GRU(64, 64, batch_first=True), nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        _, h = self.gru(torch.relu(self.norm(self.conv(x))).transpose(1, 2))
        scores: Tensor = self.head(h[-1])
        return scores


class Sensor(nn.Module):
    """An LSTM and a classifier of its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(32, 32, batch_first=True), nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.lstm(x)[0][:, -1])
        return scores


class Vision(nn.Module):
    """Patches of a picture, positions, an encoder, the mean of all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 64, 4, 4)
        self.places = nn.Parameter(torch.zeros(1, 64, 64))
        block = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(block, 2), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.places
        scores: Tensor = self.head(self.encoder(tokens).mean(1))
        return scores


def _mixer() -> nn.Module:
    """Linear layers over tokens, each with a norm and a GELU."""
    parts = [part for _ in range(3) for part in (nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU())]
    return nn.Sequential(*parts, nn.Linear(64, 10))


def _pair(make: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, nn.Module, Tensor]:
    x = torch.randn(32, *shape)
    net = convert(make(), "learned8", example=x[:1])
    calibrate_scales(net, [x])
    return net.train(), make(), x


def _grid() -> IntQuantizer:
    return IntQuantizer(bits=8, scale=LearnedScale(4.0, domain=POW2))


def _step(call: Callable[[Tensor], Tensor], x: Tensor, net: nn.Module) -> float:
    begun = process_time()
    for leaf in (x, *net.parameters()):
        leaf.grad = None
    call(x).square().sum().backward()
    return process_time() - begun


def main() -> None:
    """Print a row per layer."""
    torch.set_num_threads(1)
    weight, activation = partial(learned_weight, bits=8), partial(learned_activation, bits=8, signed=True)
    recurrent = {"weight_quant": weight, "input_quant": _grid()}
    attention = QuantMultiheadAttention(64, 4, 64, weight_quant=weight, activation=activation, input_quant=_grid())
    plain = nn.MultiheadAttention(64, 4, batch_first=True)
    tokens = learned_weight(bits=4, per_channel=False)
    steps = torch.randn(32, 32, 32)
    pairs: dict[str, tuple[nn.Module, nn.Module, Tensor]] = {
        "layer norm, 64 x 64": (QuantLayerNorm(64, input_quant=_grid()), nn.LayerNorm(64), torch.randn(32, 64, 64)),
        "attention, 64 x 64, 4 heads": (attention, plain, torch.randn(32, 64, 64)),
        "LSTM, 32 steps of 32": (QuantLSTM(32, 32, **recurrent), nn.LSTM(32, 32, batch_first=True), steps),
        "GRU, 32 steps of 32": (QuantGRU(32, 32, **recurrent), nn.GRU(32, 32, batch_first=True), steps),
        "embedding, 1000 x 64": (
            QuantEmbedding(1000, 64, weight_quant=tokens), nn.Embedding(1000, 64), torch.randint(0, 1000, (32, 64)),
        ),
    }  # fmt: skip
    for _, _, x in pairs.values():
        if x.is_floating_point():
            x.requires_grad_()
    pairs |= {
        "norms and GELU, 64 tokens of 64": _pair(_mixer, 64, 64),
        "vision transformer, 64 of 64": _pair(Vision, 3, 32, 32),
        "convolution and GRU of 64": _pair(Spotter, 40, 64),
        "LSTM of 32 and a classifier": _pair(Sensor, 32, 32),
    }
    for name, (ours, theirs, x) in pairs.items():
        calls = [_called(net) for net in (ours, theirs)]
        ratios = []
        for turn in range(50):
            first, second = _step(calls[0], x, ours), _step(calls[1], x, theirs)
            if turn >= 5:
                ratios.append(first / second)
        print(f"{name:32}{median(ratios):6.2f} x float")


def _called(net: nn.Module) -> Callable[[Tensor], Tensor]:
    if isinstance(net, nn.MultiheadAttention | QuantMultiheadAttention):
        return lambda x: net(x, x, x)[0]  # type: ignore[no-any-return] # a tuple of a tensor
    if isinstance(net, nn.LSTM | nn.GRU | QuantLSTM | QuantGRU):
        return lambda x: net(x)[0]  # type: ignore[no-any-return] # a tuple of a tensor
    return net


if __name__ == "__main__":
    main()
