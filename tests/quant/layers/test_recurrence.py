"""Recurrences as one node: their gradients are those of the same steps taken by autograd, where nothing is rounded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hwcost.quant.layers import recurrence
from hwcost.quant.layers.recurrence import Codes, GRULoop, LSTMLoop

FINE = Codes(gate_bits=24, state_bits=24, cell_bits=22, cell_fraction=18, table_bits=22)
"""So fine that rounding does not matter."""


def plain_lstm(sums: Tensor, recurrent: Tensor) -> Tensor:
    h = c = sums.new_zeros(len(sums), recurrent.shape[1])
    found = []
    for step in sums.unbind(1):
        i, f, g, o = (step + h @ recurrent.t()).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        found.append(h)
    return torch.stack(found, 1)


def plain_gru(sums: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    h = sums.new_zeros(len(sums), recurrent.shape[1])
    found = []
    for step in sums.unbind(1):
        own, size = h @ recurrent.t(), 2 * recurrent.shape[1]
        r, z = torch.sigmoid(step[:, :size] + own[:, :size]).chunk(2, 1)
        n = torch.tanh(step[:, size:] + r * (own[:, size:] + bias))
        h = n + z * (h - n)
        found.append(h)
    return torch.stack(found, 1)


def inputs(gates: int) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (3, 7, gates * 4), (gates * 4, 4), (4,)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def agree(found: Tensor, wanted: Tensor, leaves: list[Tensor]) -> None:
    assert torch.allclose(found, wanted, atol=1e-5)
    weight = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad((found * weight).sum(), leaves),
        torch.autograd.grad((wanted * weight).sum(), leaves),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_an_lstm() -> None:
    sums, recurrent, _ = inputs(4)
    agree(LSTMLoop.apply(sums, recurrent, FINE), plain_lstm(sums, recurrent), [sums, recurrent])


def test_a_gru() -> None:
    sums, recurrent, bias = inputs(3)
    agree(GRULoop.apply(sums, recurrent, bias, FINE), plain_gru(sums, recurrent, bias), [sums, recurrent, bias])


def test_codes_round_as_their_quantizers_do() -> None:
    codes = Codes(gate_bits=3, state_bits=4, cell_bits=6, cell_fraction=3, table_bits=5)
    assert codes.gate(torch.tensor([0.0, 0.06, 0.07, 1.0])).tolist() == [0, 0, 0.125, 0.875]
    assert codes.candidate(torch.tensor([-1.0, 0.07, 1.0])).tolist() == [-1, 0.125, 0.875]
    assert codes.cell(torch.tensor([9.0, -9.0, 0.0625])).tolist() == [3.875, -4, 0.125]


def test_an_lstm_in_whole_numbers_by_numpy_is_that_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    codes = Codes(gate_bits=4, state_bits=6, cell_bits=8, cell_fraction=4, table_bits=6)
    leaves = [(3 * torch.randn(3, 7, 16)).requires_grad_(), torch.randn(16, 4).requires_grad_()]
    g = torch.randn(3, 7, 4)
    found = []
    for elementwise in (recurrence._elementwise, lambda like: (recurrence._Tensors, Tensor.detach)):
        monkeypatch.setattr(recurrence, "_elementwise", elementwise)
        y = LSTMLoop.apply(*leaves, codes)
        found.append((y.detach(), *torch.autograd.grad(y, leaves, g)))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))
    h = c = torch.zeros(3, 4)
    for step, state in zip(leaves[0].detach().unbind(1), found[0][0].unbind(1), strict=True):
        total = step + h @ leaves[1].detach().t()
        i, f, _, o = codes.gate(torch.sigmoid(total)).chunk(4, 1)
        c = codes.cell(f * c + i * codes.candidate(torch.tanh(total[:, 8:12])))
        h = codes.state(o * codes.tanh(c))
        assert torch.equal(h, state)


def test_numbers_that_are_none_stay_so() -> None:
    sums = torch.full((2, 3, 16), float("nan"), requires_grad=True)
    codes = Codes(gate_bits=4, state_bits=6, cell_bits=8, cell_fraction=4, table_bits=6)
    y = LSTMLoop.apply(sums, torch.zeros(16, 4), codes)
    assert y.isnan().all()
    y.sum().backward()
