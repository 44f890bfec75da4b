"""Lowering of layers on sequences: rows, attention, embeddings, recurrent units."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from hwcost.graph.call import Call, RuleKey
from hwcost.graph.ranges import Range
from hwcost.graph.wire import Signal
from hwcost.integer.encoding import Lowered, Lowering, Stream, exact, grid, meaning_of
from hwcost.integer.meaning import Meaning, comparators
from hwcost.integer.operations import Comparators, Operation
from hwcost.quant.layers.embedding import QuantEmbedding
from hwcost.quant.layers.gru import GRUUnit
from hwcost.quant.layers.heads import HeadContext, HeadScores, ScoreExp
from hwcost.quant.layers.lstm import LSTMUnit
from hwcost.quant.layers.position import QuantPosition, QuantPrefix
from hwcost.quant.layers.recurrent_unit import Recurrent
from hwcost.quant.layers.row_inverse import RowInverse, RowProduct
from hwcost.quant.layers.rows import OnRows, RowDifference, RowMax, RowMean


@dataclass(frozen=True, eq=False)
class OnCodes:
    """A layer that computes on integers in training too."""

    layer: OnRows

    def __call__(self, *streams: Tensor) -> Tensor:
        with torch.no_grad():
            return self.layer.codes(*streams)


def on_rows(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower arithmetic on rows; a factor and addend per feature are left to the next thresholds."""
    layer = cast("OnRows", call.module)
    for stream in streams:
        meaning_of(stream).plain_step()
    still = copy.deepcopy(layer)
    still.eval()
    with torch.no_grad():
        step = still.step().double().reshape(())
    meaning = Meaning(step=step, offset=torch.zeros_like(step), last=output.channels_last)
    if layer.open is not None:
        meaning = meaning.then(exact(layer).affine)
    return OnCodes(still), meaning


@dataclass(frozen=True, eq=False)
class LookUp:
    """Rows of a matrix, int64 (rows, features)."""

    matrix: Tensor

    def __call__(self, *streams: Tensor) -> Tensor:
        return self.matrix[streams[0]]


def embedding(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower an embedding to its integers."""
    layer = cast("QuantEmbedding", call.module)
    meaning_of(streams[0])
    step = layer.step().detach().double()
    return LookUp(layer.integers()), Meaning(step=step, offset=torch.zeros_like(step), last=output.channels_last)


@dataclass(frozen=True, eq=False, kw_only=True)
class Joined:
    """A stream on a grid, and a constant on it: added, or in front.

    Attributes:
        onto: the comparators of the grid.
        constant: int64, with a batch dimension of 1.
        front: whether it stands in front instead of being added.
    """

    onto: Operation
    constant: Tensor
    front: bool

    def __call__(self, *streams: Tensor) -> Tensor:
        whole = self.onto(*streams)
        if self.front:
            return torch.cat([self.constant.expand(len(whole), -1, -1), whole], 1)
        return whole + self.constant


def constant(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower positions and tokens in front: the stream goes onto the grid of the constant."""
    layer = cast("QuantPosition | QuantPrefix", call.module)
    onto, meaning = grid(streams[0], layer.quantizer(0, 1))
    assert meaning is not None
    meaning.plain_step()
    return Joined(onto=onto, constant=exact(layer).integers(), front=isinstance(layer, QuantPrefix)), meaning


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps:
    """Parts that recurrent units share: int64 weights and shifts, and the thresholds of their gates.

    Attributes:
        input, state: weights (rows, inputs) and (rows, hidden).
        left, right: bits by which sums over inputs, and over the state, are shifted.
        gates: thresholds of the rows with a sigmoid; candidate: of those with a tanh.
        gate_bits, state_bits: widths.
    """

    input: Tensor
    state: Tensor
    left: int
    right: int
    gates: Comparators
    candidate: Comparators
    gate_bits: int
    state_bits: int

    def clipped(self, x: Tensor, bits: int) -> Tensor:
        """x in a signed code."""
        return x.clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class LSTMSteps(Steps):
    """An LSTM: rows i, f, g, o.

    Attributes:
        cell_bits, cell_fraction: of the cell; table_bits: of the address of tanh; tanh: its words, from the lowest.
    """

    cell_bits: int
    cell_fraction: int
    table_bits: int
    tanh: Tensor

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        hidden = self.state.shape[1]
        h = c = x.new_zeros(len(x), hidden)
        found = []
        for sums in ((x @ self.input.T) << self.left).unbind(1):
            total = sums + ((h @ self.state.T) << self.right)
            i, f, g, o = total.chunk(4, -1)
            i, f, o = self.gates(torch.cat([i, f, o], -1)).chunk(3, -1)
            g = self.candidate(g)
            # f c counts 2^-(gate + cell) steps, i g 2^-(gate + state - 1); both in the finer of them
            of_cell, of_input = self.gate_bits + self.cell_fraction, self.gate_bits + self.state_bits - 1
            finest = max(of_cell, of_input)
            cell = ((f * c) << (finest - of_cell)) + ((i * g) << (finest - of_input))
            c = self.clipped(_rounded(cell, finest - self.cell_fraction), self.cell_bits)
            place = self.cell_fraction - (self.table_bits - 3)
            at = self.clipped(c >> place if place >= 0 else c << -place, self.table_bits)
            h = self.clipped(_rounded(o * self.tanh[at + 2 ** (self.table_bits - 1)], self.gate_bits), self.state_bits)
            found.append(h)
        return torch.stack(found, 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class GRUSteps(Steps):
    """A GRU: rows r, z, n.

    Attributes:
        bias: of the state's part of n, (hidden,), in steps of its sum.
    """

    bias: Tensor

    def __call__(self, *streams: Tensor) -> Tensor:
        (x,) = streams
        hidden = self.state.shape[1]
        h = x.new_zeros(len(x), hidden)
        found = []
        for sums in ((x @ self.input.T) << self.left).unbind(1):
            own = h @ self.state.T
            gates = sums[:, : 2 * hidden] + (own[:, : 2 * hidden] << self.right)
            r, z = self.gates(gates).chunk(2, -1)
            kept = (r * (own[:, 2 * hidden :] + self.bias)) << self.right
            n = self.candidate((sums[:, 2 * hidden :] << self.gate_bits) + kept)
            h = n + _rounded(z * (h - n), self.gate_bits)
            found.append(h)
        return torch.stack(found, 1)


def _rounded(x: Tensor, bits: int) -> Tensor:
    """x / 2^bits, a half up."""
    return (x + (1 << bits >> 1)) >> bits


def recurrent(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a recurrent unit to its steps."""
    layer = cast("Recurrent", call.module)
    (stream,) = streams
    meaning_of(stream).plain_step()
    still = copy.deepcopy(layer)
    still.eval()
    whole, (left, right), hidden = still.whole(), still.shifts(), still.hidden_size
    shared: dict[str, Any] = {
        "input": whole[:, : still.input_size],
        "state": whole[:, still.input_size :],
        "left": left,
        "right": right,
        "gate_bits": still.gate_bits,
        "state_bits": still.state_bits,
    }
    bias = torch.zeros(len(whole), dtype=torch.float64)
    first = second = bias
    if still.bias_ih is not None and still.bias_hh is not None:
        first, second = still.bias_ih.detach().double(), still.bias_hh.detach().double()
    *_, total = still.sums()
    rows = torch.arange(len(whole))
    operation: LSTMSteps | GRUSteps
    if isinstance(still, LSTMUnit):
        middle = (rows >= 2 * hidden) & (rows < 3 * hidden)
        gates = _thresholds(still, ~middle, total, first + second)
        candidate = _thresholds(still, middle, total, first + second, tanh=True)
        operation = LSTMSteps(
            **shared, gates=gates, candidate=candidate, cell_bits=still.cell_bits, table_bits=still.table_bits,
            cell_fraction=still.cell_fraction, tanh=still.tanh_words(),
        )  # fmt: skip
    else:
        unit = cast("GRUUnit", still)
        last = rows >= 2 * hidden
        gates = _thresholds(unit, ~last, total, first + second)
        mixed = unit.mixed()
        candidate = _thresholds(unit, last, mixed, first, tanh=True, finer=unit.gate_bits)
        kept = torch.zeros(hidden, dtype=torch.int64)
        if unit.bias_hh is not None:
            step = unit.state_row_steps()[2 * hidden :]
            kept = torch.round(unit.whole_bias().detach().double() / step).to(torch.int64)
        operation = GRUSteps(**shared, gates=gates, candidate=candidate, bias=kept)
    step = still.step().detach().double()
    return operation, Meaning(step=step, offset=torch.zeros_like(step), last=output.channels_last)


def _thresholds(
    unit: Recurrent, rows: Tensor, wire: Range, offset: Tensor, *, tanh: bool = False, finer: int = 0
) -> Comparators:
    """Thresholds of some rows of the sums, whose step is 2^-finer of theirs."""
    step = unit.row_steps()[rows] * 2.0**-finer
    quantizer = exact(cast("nn.Module", unit.candidate if tanh else unit.gate))
    function = torch.tanh if tanh else torch.sigmoid

    def codes(x: Tensor) -> Tensor:
        whole: Tensor = quantizer.integers(function(x))  # type: ignore[operator] # a quantizer
        return whole

    meaning = Meaning(step=step, offset=offset[rows], last=True)
    count = int(rows.sum())
    return comparators(meaning, wire, codes, quantizer.range(), channels=count, rank=2)  # type: ignore[operator]


ROWS = (RowMean, RowDifference, RowMax, RowInverse, RowProduct, HeadScores, ScoreExp, HeadContext)
SEQUENCES: Mapping[RuleKey, Lowering] = MappingProxyType(
    {
        **dict.fromkeys(ROWS, on_rows),
        **dict.fromkeys((LSTMUnit, GRUUnit), recurrent),
        QuantEmbedding: embedding,
        **dict.fromkeys((QuantPosition, QuantPrefix), constant),
    }
)
"""Lowering of layers on sequences by class."""
