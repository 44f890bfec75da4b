"""Training step of layers on sequences, forward and backward, against that of torch in float, measured in turn.

    python benchmarks/sequence_step.py

prints the median of the ratios of 15 pairs of steps, batch 32, at the sizes of the networks of the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

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
    learned_activation,
    learned_weight,
)


def _grid() -> IntQuantizer:
    return IntQuantizer(bits=8, scale=LearnedScale(4.0, domain=POW2))


def _step(call: Callable[[Tensor], Tensor], x: Tensor, net: nn.Module) -> float:
    begun = perf_counter()
    for parameter in net.parameters():
        parameter.grad = None
    call(x).square().sum().backward()
    return perf_counter() - begun


def main() -> None:
    """Print a row per layer."""
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
    for name, (ours, theirs, x) in pairs.items():
        calls = [_called(net) for net in (ours, theirs)]
        ratios = []
        for turn in range(20):
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
