"""Recurrences as one autograd node each: a step of autograd per operation and time step would take most of the time."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Codes:
    """Widths of a recurrent unit's codes, all of steps that are powers of two.

    Attributes:
        gate_bits: of unsigned gates below 1. state_bits: of the signed state and candidate, from -1 to 1.
        cell_bits, cell_fraction: of the signed cell of an LSTM, and those below 1.
        table_bits: of the address of its tanh, over -4 to 4.
    """

    gate_bits: int
    state_bits: int
    cell_bits: int = 0
    cell_fraction: int = 0
    table_bits: int = 0

    def gate(self, s: Tensor) -> Tensor:
        """The nearest gate, a half to even."""
        unit = 2.0**self.gate_bits
        return torch.round(s * unit).clamp_(max=unit - 1).mul_(1 / unit)

    def candidate(self, g: Tensor) -> Tensor:
        """The nearest candidate, a half to even."""
        unit = 2.0 ** (self.state_bits - 1)
        return torch.round(g * unit).clamp_(-unit, unit - 1).mul_(1 / unit)

    def rounded(self, x: Tensor) -> Tensor:
        """A multiple of the state's step, a half up; one between two states is a state."""
        unit = 2.0 ** (self.state_bits - 1)
        return torch.floor(x * unit + 0.5).mul_(1 / unit)

    def state(self, x: Tensor) -> Tensor:
        """The state at x, a half up."""
        return _clipped(x, self.state_bits - 1, self.state_bits)

    def cell(self, x: Tensor) -> Tensor:
        """The cell at x, a half up."""
        return _clipped(x, self.cell_fraction, self.cell_bits)

    def tanh(self, c: Tensor) -> Tensor:
        """tanh of the cell, looked up at the middle of the step that it lies in."""
        step, most = 8.0 * 2.0**-self.table_bits, 2.0 ** (self.table_bits - 1)
        at = torch.floor(c / step).clamp_(-most, most - 1)
        if step > 2.0**-self.cell_fraction:
            at += 0.5
        return self.candidate(torch.tanh(at.mul_(step)))


def _clipped(x: Tensor, fraction: int, bits: int) -> Tensor:
    most = 2.0 ** (bits - 1)
    return torch.floor(x * 2.0**fraction + 0.5).clamp_(-most, most - 1).mul_(2.0**-fraction)


class LSTMLoop(torch.autograd.Function):
    """Steps of an LSTM: sums over inputs (N, time, 4 hidden), weights of the state (4 hidden, hidden) -> states."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, recurrent: Tensor, codes: Codes) -> Tensor:
        hidden = recurrent.shape[1]
        h = c = sums.new_zeros(len(sums), hidden)
        kept, found, back = [], [], recurrent.t()
        for step in sums.unbind(1):
            total = torch.addmm(step, h, back)
            s, g = torch.sigmoid(total), torch.tanh(total[:, 2 * hidden : 3 * hidden])
            i, f, _, o = codes.gate(s).chunk(4, 1)
            candidate = codes.candidate(g)
            after = codes.cell(torch.addcmul(f * c, i, candidate))
            y = codes.tanh(after)
            kept.append((s, g, i, f, o, candidate, c, after, y, h))
            h, c = codes.state(o * y), after
            found.append(h)
        ctx.kept, ctx.codes = kept, codes
        ctx.save_for_backward(recurrent)
        return torch.stack(found, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (recurrent,) = ctx.saved_tensors
        total, dh, dc = [], torch.zeros_like(grad[:, 0]), torch.zeros_like(grad[:, 0])
        most = 2.0 ** (ctx.codes.cell_bits - 1 - ctx.codes.cell_fraction)
        for (s, g, i, f, o, candidate, c, after, y, _), step in zip(
            reversed(ctx.kept), reversed(grad.unbind(1)), strict=True
        ):
            dh = dh + step
            inside = (after.abs() < most * (1 - 2.0**-10)).to(grad.dtype)
            dc = (dc + dh * o * (1 - y * y)) * inside
            gates = torch.cat([dc * candidate, dc * c, dc * i, dh * y], 1)
            slope = s * (1 - s)
            hidden = g.shape[1]
            slope[:, 2 * hidden : 3 * hidden] = 1 - g * g
            gates *= slope
            total.append(gates)
            dh, dc = gates @ recurrent, dc * f
        whole = torch.stack(total[::-1], 1)
        states = torch.stack([step[-1] for step in ctx.kept], 1)
        return whole, whole.flatten(0, 1).t() @ states.flatten(0, 1), None


class GRULoop(torch.autograd.Function):
    """Steps of a GRU: sums (N, time, 3 hidden), weights of the state, the bias of its candidate part -> states."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, recurrent: Tensor, bias: Tensor, codes: Codes) -> Tensor:
        hidden = recurrent.shape[1]
        h = sums.new_zeros(len(sums), hidden)
        kept, found, back = [], [], recurrent.t()
        for step in sums.unbind(1):
            own = h @ back
            s = torch.sigmoid(step[:, : 2 * hidden] + own[:, : 2 * hidden])
            r, z = codes.gate(s).chunk(2, 1)
            part = own[:, 2 * hidden :] + bias
            g = torch.tanh(torch.addcmul(step[:, 2 * hidden :], r, part))
            n = codes.candidate(g)
            kept.append((s, r, z, part, g, n, h))
            h = n + codes.rounded(z * (h - n))
            found.append(h)
        ctx.kept = kept
        ctx.save_for_backward(recurrent)
        return torch.stack(found, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (recurrent,) = ctx.saved_tensors
        total, states, dh = [], [], torch.zeros_like(grad[:, 0])
        for (s, r, z, part, g, n, h), step in zip(reversed(ctx.kept), reversed(grad.unbind(1)), strict=True):
            dh = dh + step
            fresh = dh * (1 - z) * (1 - g * g)
            gates = torch.cat([fresh * part, dh * (h - n)], 1) * (s * (1 - s))
            own = torch.cat([gates, fresh * r], 1)
            total.append(torch.cat([gates, fresh], 1))
            states.append(own)
            dh = dh * z + own @ recurrent
        whole, own = torch.stack(total[::-1], 1), torch.stack(states[::-1], 1).flatten(0, 1)
        before = torch.stack([step[-1] for step in ctx.kept], 1).flatten(0, 1)
        hidden = recurrent.shape[1]
        return whole, own.t() @ before, own[:, 2 * hidden :].sum(0), None
