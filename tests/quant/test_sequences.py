"""Layers on sequences take over the weights of float ones, and what cannot be has a remedy that works."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import BadOption, HwcostError, UntraceableNetwork
from hwcost.quant import (
    QuantMultiheadAttention,
    calibrate_scales,
    const_activation,
    const_weight,
    convert,
    load_float,
    uniform,
)

X = torch.randn(16, 5, 8, generator=torch.Generator().manual_seed(3))
FINE = uniform(weight=partial(const_weight, bits=10), activation=partial(const_activation, bits=10))

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "layer norm": lambda: nn.LayerNorm(8),
    "layer norm without bias": lambda: nn.LayerNorm(8, bias=False),
    "layer norm without factors": lambda: nn.LayerNorm(8, elementwise_affine=False),
    "rms norm": lambda: nn.RMSNorm(8),
    "lstm": lambda: nn.LSTM(8, 6, 2, batch_first=True),
    "gru": lambda: nn.GRU(8, 6, batch_first=True),
    "gru without bias": lambda: nn.GRU(8, 6, bias=False, batch_first=True),
    "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "attention without bias": lambda: nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
    "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True),
}


def called(net: nn.Module) -> Tensor:
    y: Any = net(X, X, X) if isinstance(net, nn.MultiheadAttention | QuantMultiheadAttention) else net(X)
    found: Tensor = y[0] if isinstance(y, tuple) else y
    return found.detach()


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_taken_over_and_a_checkpoint_too(name: str) -> None:
    torch.manual_seed(0)
    first, second = LAYERS[name](), LAYERS[name]()
    for layer in (first, second):
        for parameter in layer.parameters():
            nn.init.normal_(parameter, 0.5 if "norm" in name else 0.0, 0.4)
    batch = (X, X, X) if name.startswith("attention") else X
    wanted = [called(layer.eval()) for layer in (first, second)]
    net = convert(first, FINE, example=batch)
    calibrate_scales(net, [(batch,)])
    assert float((called(net) - wanted[0]).abs().max()) < 0.06
    load_float(net, second.state_dict())
    calibrate_scales(net, [(batch,)])
    assert float((called(net) - wanted[1]).abs().max()) < 0.06
    load_float(net, net.state_dict())
    with pytest.raises(BadOption, match="not in the network"):
        load_float(net, {"weight_": X})


def test_parameters_stay_the_same_but_for_the_projections_of_attention() -> None:
    for name in ("layer norm", "rms norm", "lstm", "gru"):
        layer = LAYERS[name]()
        before = {id(parameter) for parameter in layer.parameters()}
        assert before <= {id(parameter) for parameter in convert(layer, "int8").parameters()}
    words = nn.Embedding(9, 4, padding_idx=2)
    new = convert(words, "int8")
    assert new.weight is words.weight and new.padding_idx == 2
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    assert convert(attention, "int8", example=(X, X, X)).get_submodule("out_proj").weight is attention.out_proj.weight


def test_dropout_between_layers_and_of_attention_is_kept_in_training() -> None:
    torch.manual_seed(0)
    for layer in (nn.GRU(8, 6, 2, batch_first=True, dropout=0.5), nn.MultiheadAttention(8, 2, 0.5, batch_first=True)):
        batch = (X, X, X) if isinstance(layer, nn.MultiheadAttention) else X
        net = convert(layer, "int8", example=batch)
        assert not torch.equal(called(net), called(net))
        net.eval()
        assert torch.equal(called(net), called(net))
        hwcost.trace(net, batch, input_bits=8)


class Around(nn.Module):
    """A layer that is called in some way."""

    def __init__(self, layer: nn.Module, call: Callable[[Any, Tensor], Tensor] = lambda m, x: m(x)) -> None:
        super().__init__()
        self.m, self.call = layer, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.m, x)


def first(m: Any, x: Tensor) -> Tensor:
    y: Tensor = m(x)[0]
    return y


def attended(m: Any, x: Tensor) -> Tensor:
    y: Tensor = m(x, x, x)[0]
    return y


def narrow(m: Any, x: Tensor) -> Tensor:
    y: Tensor = m(x, x[..., :4], x[..., :4])[0]
    return y


LSTM = partial(nn.LSTM, 8, 4)
ATTENTION = partial(nn.MultiheadAttention, 8, 2)
REMEDIES: dict[str, tuple[nn.Module, str, nn.Module]] = {
    "batch second": (Around(LSTM(), first), "batch_first=True", Around(LSTM(batch_first=True), first)),
    "two directions": (
        Around(LSTM(batch_first=True, bidirectional=True), first),
        "use bidirectional=False",
        Around(LSTM(batch_first=True), first),
    ),
    "a projection": (
        Around(LSTM(batch_first=True, proj_size=2), first),
        "use proj_size=0 and an nn.Linear behind it",
        nn.Sequential(Around(LSTM(batch_first=True), first), nn.Linear(4, 2)),
    ),
    "attention, batch second": (
        Around(ATTENTION(), attended),
        "batch_first=True",
        Around(ATTENTION(batch_first=True), attended),
    ),
    "keys of their own size": (
        Around(ATTENTION(kdim=4, vdim=4, batch_first=True), narrow),
        "project keys and values to embed_dim",
        Around(ATTENTION(batch_first=True), attended),
    ),
    "a bias for keys": (
        Around(ATTENTION(add_bias_kv=True, batch_first=True), attended),
        "build it without",
        Around(ATTENTION(batch_first=True), attended),
    ),
    "a plain recurrence": (
        Around(nn.RNN(8, 4, batch_first=True), first),
        "use nn.GRU",
        Around(nn.GRU(8, 4, batch_first=True), first),
    ),
    "a norm of pictures": (Around(nn.LayerNorm((5, 8))), "the last dimension", Around(nn.LayerNorm(8))),
    "words with a largest norm": (
        nn.Sequential(nn.Linear(8, 8), nn.Embedding(9, 4, max_norm=1.0)),
        "build it without",
        nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)),
    ),
}


@pytest.mark.parametrize("name", REMEDIES)
def test_what_cannot_be_is_named_and_its_remedy_works(name: str) -> None:
    net, remedy, other = REMEDIES[name]
    with pytest.raises(HwcostError, match=remedy):
        convert(net, "int8", example=None if name in ("a projection", "words with a largest norm") else X[:1])
    hwcost.trace(convert(other, "int8", example=X[:1]), X[:1], input_bits=8)


def test_attention_is_built_for_the_length_of_the_example_or_of_the_policy() -> None:
    with pytest.raises(BadOption, match=r"example=x.*\"length\""):
        convert(Around(ATTENTION(batch_first=True), attended), "int8")
    whole = uniform(weight=const_weight, activation=const_activation)
    given = convert(
        Around(ATTENTION(batch_first=True), attended), lambda name, layer: {**(whole(name, layer) or {}), "length": 5}
    )
    seen = convert(Around(ATTENTION(batch_first=True), attended), "int8", example=X[:1])
    for net in (given, seen):
        assert net.get_submodule("m").length == 5  # type: ignore[comparison-overlap] # of the attention
    twice = Around(ATTENTION(batch_first=True), lambda m, x: attended(m, x) + m(x, x[:, :3], x[:, :3])[0])
    with pytest.raises(BadOption, match="reads 5 and 3 keys"):
        convert(twice, "int8", example=X[:1])
    with pytest.raises(UntraceableNetwork, match=r"\(1, 5, 3\)"):
        convert(Around(ATTENTION(batch_first=True), attended), "int8", example=X[:1, :, :3])
