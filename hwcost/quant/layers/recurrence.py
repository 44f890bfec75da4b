"""Recurrences as one autograd node each: a step of autograd per operation and time step would take most of the time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import Any

import numpy as np
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
    """Steps of an LSTM: sums over inputs (N, time, 4 hidden), weights of the state (4 hidden, hidden) -> states.

    All codes are whole numbers in the loop; what is the same for all steps is computed for all of them at once. On the
    CPU, numpy computes what is elementwise: its calls cost half of torch's.
    """

    @staticmethod
    def forward(ctx: Any, sums: Tensor, recurrent: Tensor, codes: Codes) -> Tensor:
        batch, time, hidden = len(sums), sums.shape[1], recurrent.shape[1]
        ctx.codes, ctx.finite = codes, bool(torch.isfinite(sums.sum() + recurrent.sum()))
        if not ctx.finite:  # no code, and no index of a table
            return sums.new_full((batch, time, hidden), nan)
        unit, most = 2.0 ** (codes.state_bits - 1), 2.0 ** (codes.cell_bits - 1)
        back = (recurrent / unit).t().contiguous()
        gates, whole = (sums.new_empty(time, batch, 4 * hidden) for _ in range(2))
        cells, squashed, states = (sums.new_zeros(time + 1, batch, hidden) for _ in range(3))
        total = sums.new_empty(batch, 4 * hidden)
        middle = total[:, 2 * hidden : 3 * hidden]
        math, view = _elementwise(sums)
        units, words = (
            view(_along(sums, codes.gate_bits, codes.state_bits - 1, hidden)),
            view(_tanh_words(codes).to(sums)),
        )
        largest = units - 1
        i, f, g, o = (view(part) for part in whole.chunk(4, -1))
        s, w, c, y, h, part = (view(x) for x in (gates, whole, cells, squashed, states, sums.new_empty(batch, hidden)))
        # f c counts 2^-gate_bits of the cell, and i g that times `apart`
        by_gate, apart = 2.0**-codes.gate_bits, 2.0 ** (codes.cell_fraction - codes.state_bits + 1)
        steps = zip(
            sums.unbind(1), states[:-1].unbind(0), gates.unbind(0), gates[..., 2 * hidden : 3 * hidden].unbind(0),
            strict=True,
        )  # fmt: skip
        for at, (step, state, gate, tanh) in enumerate(steps):
            torch.addmm(step, state, back, out=total)
            torch.sigmoid(total, out=gate)
            torch.tanh(middle, out=tanh)
            now, after = w[at], c[at + 1]
            math.multiply(s[at], units, out=now)
            math.rint(now, out=now)
            math.minimum(now, largest, out=now)
            math.multiply(f[at], c[at], out=after)
            math.multiply(i[at], g[at], out=part)
            part *= apart
            after += part
            _half_up(math, after, by_gate)
            math.minimum(after, most - 1, out=after)
            math.maximum(after, -most, out=after)
            math.take(words, math.index(after), out=y[at + 1])
            math.multiply(o[at], y[at + 1], out=h[at + 1])
            _half_up(math, h[at + 1], by_gate)
        ctx.save_for_backward(recurrent, gates, whole, cells, squashed, states)
        return (states[1:] / unit).transpose(0, 1).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        if not ctx.finite:
            return None, None, None
        recurrent, gates, whole, cells, squashed, states = ctx.saved_tensors
        codes: Codes = ctx.codes
        time, batch, hidden = squashed[1:].shape
        unit, most = 2.0 ** (codes.state_bits - 1), 2.0 ** (codes.cell_bits - 1)
        slope = gates - gates.square()
        slope[..., 2 * hidden : 3 * hidden] = 1 - gates[..., 2 * hidden : 3 * hidden].square()
        i, f, g, o = whole.chunk(4, -1)
        y = squashed[1:] / unit
        inside = (cells[1:].abs() < most * (1 - 2.0**-10)).to(grad.dtype)
        # what a step multiplies the gradients of its cell and of its state with
        by_gate = 2.0**-codes.gate_bits
        rates = torch.cat([g / unit, cells[:-1] * 2.0**-codes.cell_fraction, i * by_gate, y], -1).mul_(slope)
        to_cell = (1 - y.square()).mul_(o).mul_(by_gate).mul_(inside)
        kept = f * by_gate
        kept[1:] *= inside[:-1]
        total = torch.empty_like(gates)
        math, view = _elementwise(grad)
        rate, out = (view(x.view(time, batch, 4, hidden)) for x in (rates, total))
        own, carried = view(to_cell), view(kept)
        state, cell, part = (grad.new_zeros(batch, hidden) for _ in range(3))
        dh, dc, part = view(state), view(cell), view(part)
        whole_steps, given = total.unbind(0), view(grad.transpose(0, 1))
        for at in reversed(range(time)):
            dh += given[at]
            math.multiply(dh, own[at], out=part)
            dc += part
            math.multiply(dc[:, None], rate[at, :, :3], out=out[at, :, :3])
            math.multiply(dh, rate[at, :, 3], out=out[at, :, 3])
            torch.mm(whole_steps[at], recurrent, out=state)
            dc *= carried[at]
        flat = total.flatten(0, 1)
        return total.transpose(0, 1), (flat.t() @ states[:-1].flatten(0, 1)).div_(unit), None


class _Tensors:
    """Elementwise functions of torch under numpy's names."""

    multiply, minimum, maximum, take = torch.multiply, torch.clamp_max, torch.clamp_min, torch.take
    rint, floor = torch.round, torch.floor

    @staticmethod
    def index(x: Tensor) -> Tensor:
        """Whole numbers as an index."""
        return x.to(torch.int64)


class _Arrays:
    """Elementwise functions of numpy."""

    multiply, minimum, maximum, rint, floor = np.multiply, np.minimum, np.maximum, np.rint, np.floor

    @staticmethod
    def index(x: Any) -> Any:
        """Whole numbers as an index."""
        return x.astype(np.int64)

    @staticmethod
    def take(words: Any, place: Any, *, out: Any) -> None:
        """Words at places, those below 0 from the end."""
        np.take(words, place, out=out, mode="wrap")


def _elementwise(like: Tensor) -> tuple[Any, Callable[[Tensor], Any]]:
    """Elementwise functions, and how they see a tensor: numpy on the CPU, whose calls cost half of torch's."""
    if like.is_cpu and like.dtype in (torch.float32, torch.float64):
        return _Arrays, torch.Tensor.numpy
    return _Tensors, torch.Tensor.detach


def _half_up(math: Any, x: Any, scale: float) -> None:
    """x times scale in place, to the nearest whole number, a half up."""
    x *= scale
    x += 0.5
    math.floor(x, out=x)


def _along(like: Tensor, gate_bits: int, candidate_bits: int, hidden: int) -> Tensor:
    """Integers of 1 for each row of an LSTM: gates i and f, the candidate, gate o; (4 hidden,)."""
    units = like.new_full((4 * hidden,), 2.0**gate_bits)
    units[2 * hidden : 3 * hidden] = 2.0**candidate_bits
    return units


@lru_cache(16)
def _tanh_words(codes: Codes) -> Tensor:
    """tanh of every code of the cell, float64, in whole numbers of the state's step: from 0 up, then the negative ones.

    So a code is its own index.
    """
    most = 2 ** (codes.cell_bits - 1)
    cells = torch.cat([torch.arange(most), torch.arange(-most, 0)]).double() * 2.0**-codes.cell_fraction
    return codes.tanh(cells) * 2.0 ** (codes.state_bits - 1)


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
