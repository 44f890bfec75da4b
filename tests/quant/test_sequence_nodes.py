"""States, masks and constants of a graph: read where hardware has them, else refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import HwcostError
from hwcost.quant import QuantPosition, QuantPrefix, convert

X = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(4))
Call = Callable[[Any, Tensor], Tensor]


class Net(nn.Module):
    """Layers and constants, and a function around them."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(8, 8, 2, batch_first=True), nn.GRU(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.linear = nn.Linear(8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.places = nn.Parameter(torch.randn(1, 9, 8))
        self.words = nn.Embedding(9, 8)
        self.register_buffer("table", torch.randn(9, 8))
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, x)


STATES: dict[str, Call] = {
    "h[-1]": lambda n, x: n.lstm(x)[1][0][-1],
    "h[1]": lambda n, x: n.lstm(x)[1][0][1],
    "h[-1, :, :]": lambda n, x: n.lstm(x)[1][0][-1, :, :],
    "h[0] of one layer": lambda n, x: n.gru(x)[1][0],
    "h.squeeze(0)": lambda n, x: n.gru(x)[1].squeeze(0),
    "h.select": lambda n, x: n.gru(x)[1].select(0, -1),
    "a state of zeros": lambda n, x: n.gru(x, torch.zeros(1, x.size(0), 8))[1][-1],
}


@pytest.mark.parametrize("name", STATES)
def test_the_last_state_is_read_from_the_output(name: str) -> None:
    torch.manual_seed(0)
    net = Net(STATES[name])
    wanted = net(X).detach()
    quantized = convert(net, "int8", example=X)
    found = quantized(X).detach()
    assert float((found - wanted).abs().max()) < 0.1
    hwcost.trace(quantized, X[:1], input_bits=8)


REFUSED: dict[str, tuple[Call, str, Call]] = {
    "a layer in front": (lambda n, x: n.lstm(x)[1][0][0], r"y\[:, -1\]", lambda n, x: n.lstm(x)[0][:, -1]),
    "the cell": (lambda n, x: n.lstm(x)[1][1][-1], r"y\[:, -1\]", lambda n, x: n.lstm(x)[0][:, -1]),
    "a first state": (
        lambda n, x: n.gru(x, torch.ones(1, 3, 8))[0],
        "leave the state out",
        lambda n, x: n.gru(x)[0],
    ),
    "a mask": (
        lambda n, x: n.attention(x, x, x, attn_mask=n.table[:5, :5])[0],
        "attn_mask has no hardware; leave it out",
        lambda n, x: n.attention(x, x, x)[0],
    ),
    "weights": (
        lambda n, x: n.attention(x, x, x)[1],
        "read its output alone",
        lambda n, x: n.attention(x, x, x, need_weights=False)[0],
    ),
    "a computed constant": (
        lambda n, x: n.linear(x) + torch.exp(n.places[:, :5]),
        "hold it as a parameter",
        lambda n, x: n.linear(x) + n.places[:, :5],
    ),
    "a constant behind": (
        lambda n, x: torch.cat([x, n.token.expand(len(x), -1, -1)], 1),
        "sets it in front, or adds it",
        lambda n, x: torch.cat([n.token.expand(len(x), -1, -1), x], 1),
    ),
    "a short constant in front": (
        lambda n, x: torch.cat([n.places[:, :1].expand(len(x), -1, -1), x], 1),
        r"a parameter of shape \(1, count, features\)",
        lambda n, x: torch.cat([n.token.repeat(x.shape[0], 1, 1), x], 1),
    ),
    "features side by side": (
        lambda n, x: torch.cat([n.linear(x), x], -1),
        "dimension 2; hardware joins along dimension 1",
        lambda n, x: torch.cat([n.linear(x).flatten(1), x.flatten(1)], -1),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_hardware_is_named_and_its_remedy_works(name: str) -> None:
    call, remedy, other = REFUSED[name]
    with pytest.raises(HwcostError, match=remedy):
        convert(Net(call), "int8", example=X)
    hwcost.trace(convert(Net(other), "int8", example=X), X[:1], input_bits=8)


CONSTANTS: dict[str, Call] = {
    "a slice by the size": lambda n, x: x + n.places[:, : x.size(1)],
    "a slice, added to": lambda n, x: n.places[:, 2:7] + x,
    "a buffer": lambda n, x: torch.add(n.linear(x), n.table[: x.shape[1]]),
    "one for all": lambda n, x: x + n.token,
    "an embedding of a range": lambda n, x: x + n.words(torch.arange(x.shape[1])),
    "a token in front": lambda n, x: torch.cat([n.token.expand(x.shape[0], -1, -1), x], dim=1),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_join_a_stream_and_are_trained(name: str) -> None:
    torch.manual_seed(0)
    net = Net(CONSTANTS[name])
    keys = {key for key in net.state_dict() if key.split(".")[0] in ("token", "places", "words", "table", "linear")}
    with torch.no_grad():
        wanted = net(X)
    quantized = convert(net, "int8", example=X)
    kinds = [type(part) for part in quantized.modules()]
    assert kinds.count(QuantPrefix if "front" in name else QuantPosition) == 1
    assert float((quantized(X) - wanted).abs().max().detach()) < 0.2
    assert keys <= quantized.state_dict().keys()
    torch.autograd.backward([quantized(X).square().sum()])
    owners = {"token": net.token, "places": net.places, "words": net.words.weight}
    read = [value for value in owners.values() if value.grad is not None]
    assert len(read) == (0 if name == "a buffer" else 1)


def test_a_size_needs_an_example_and_the_error_says_so() -> None:
    with pytest.raises(HwcostError, match=r"pass convert\(\.\.\., example=x\)"):
        convert(Net(CONSTANTS["a slice by the size"]), "int8")
    with pytest.raises(HwcostError, match=r"convert\(\.\.\., example=x\)"):
        convert(Net(STATES["a state of zeros"]), "int8")
