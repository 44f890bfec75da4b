"""Heads of attention: scores, their exponentials, and weighted sums, on integers."""

from math import ceil, exp, log, log2, sqrt

import torch
from torch import Tensor

from hwcost.graph.blocks import Table
from hwcost.graph.ranges import Range, between, dot, widest
from hwcost.graph.spec import Adder, Block, MatVec, Saturate
from hwcost.graph.wire import Signal
from hwcost.quant.layers.rows import Grid, OnRows, source_range

SOFTMAXES = ("exp", "pow2")


class HeadScores(OnRows):
    """Score of every query with every key of each head: a matrix-vector unit whose weights, the keys, are a stream.

    (N, queries, features), (N, keys, features) -> (N, queries * heads, keys), the heads of a query one after the other,
    divided by sqrt(features / heads).

    Args:
        queries, keys: sources of the streams.
        features, heads: as nn.MultiheadAttention; heads divide features.
    """

    rounds = False

    def __init__(self, queries: Grid, keys: Grid, *, features: int, heads: int) -> None:
        super().__init__(queries, keys)
        self.features, self.heads = features, heads

    @property
    def width(self) -> int:
        """Features of a head."""
        return self.features // self.heads

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        return self._scores(*streams)

    def smooth(self, *values: Tensor) -> Tensor:
        return self._scores(*values) / sqrt(self.width)

    def _scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        q, k = (x.reshape(*x.shape[:2], self.heads, self.width) for x in (queries, keys))
        scores = torch.einsum("nqhd,nkhd->nqhk", q, k)
        return scores.reshape(len(q), -1, k.shape[1])

    def step(self, x: Tensor | None = None) -> Tensor:
        queries, keys = self.steps(x)
        return queries * keys / sqrt(self.width)

    def range(self) -> Range:
        return dot(source_range(self.sources[0]), source_range(self.sources[1]), self.width)

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        queries, keys = signals
        unit = MatVec(
            rows=keys.positions,
            cols=self.width,
            vectors=queries.positions * self.heads,
            weight=widest(keys.range),
            input=widest(queries.range),
            acc=self.range(),
            held=self.heads,
        )
        return (unit,)


class ScoreExp(OnRows):
    """Weights of attention before they are divided by their sum: exp(score - largest), looked up.

    The difference is cut to the address of a table, so that the last entry is 0.

    Args:
        scores: their source; largest: the layer that finds the largest of a row.
        bits: of a weight, whose largest code stands for 1; table_bits: of the address.
        softmax: "exp", or "pow2": weights are powers of two, so that a product with one is a shift.

    Source: of "pow2", Stevens et al., "Softermax", DAC 2021, arXiv:2103.09301, with e as the base of the scores.
    """

    def __init__(self, scores: Grid, largest: Grid, *, bits: int, table_bits: int, softmax: str) -> None:
        super().__init__(scores, largest)
        self.bits, self.table_bits, self.softmax = bits, table_bits, softmax

    @property
    def one(self) -> int:
        """The code of the largest weight."""
        return 1 << (self.bits - 1) if self.softmax == "pow2" else (1 << self.bits) - 1

    def _step(self, x: Tensor | None) -> float:
        with torch.no_grad():
            return float(self.steps(x)[0])

    def shift(self, x: Tensor | None = None) -> int:
        """Bits of a difference that the address leaves out."""
        return self.cut(self._step(x))

    def entries(self, x: Tensor | None = None) -> list[int]:
        """The weight at each address."""
        return self.words(self._step(x))

    def cut(self, step: float) -> int:
        """`shift`, at a step of the scores."""
        return int(max(0, ceil(log2(log(4 * self.one) / step)) - self.table_bits))

    def words(self, step: float) -> list[int]:
        """`entries`, at a step of the scores."""
        cut = self.cut(step)
        wide, middle = step * 2.0**cut, 0.5 - 2.0 ** -(cut + 1)
        weights = [self.one * exp(-wide * (at + middle * (at > 0))) for at in range(2**self.table_bits)]
        if self.softmax == "pow2":
            return [self.one] + [2 ** round(log2(w)) if w > 0.7 else 0 for w in weights[1:-1]] + [0]
        return [self.one] + [round(w) for w in weights[1:-1]] + [0]

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        scores, largest = streams
        address = ((largest - scores) >> self.shift(x)).clamp(max=2**self.table_bits - 1)
        return torch.tensor(self.entries(x), device=scores.device)[address]

    def smooth(self, *values: Tensor) -> Tensor:
        return torch.exp(values[0] - values[1])

    def step(self, x: Tensor | None = None) -> Tensor:
        return torch.tensor(1 / self.one, dtype=torch.float64)

    def range(self) -> Range:
        return between(0, self.one)

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        scores, largest = (widest(signal.range) for signal in signals)
        channels, vectors = signals[0].channels, signals[0].positions
        apart = between(torch.zeros_like(scores.low), largest.high - scores.low)
        less = between(-scores.high, -scores.low)
        unit, address = 2.0 ** self.shift(), between(0, 2**self.table_bits - 1)
        cut = between(apart.low, (apart.high / unit).floor() if unit > 1 else apart.high)
        place = {"channels": channels, "vectors": vectors}
        return (
            Adder(**place, left=largest, right=less, output=apart),
            Saturate(**place, input=cut, output=address),
            Table(**place, input=address, output=self.range()),
        )


class HeadContext(OnRows):
    """Sum of the values of each head, weighted: a matrix-vector unit whose weights, the values, are a stream.

    (N, queries * heads, keys), (N, keys, features) -> (N, queries * heads, features / heads).

    Args:
        weights, values: sources of the streams.
        length: keys of a sequence. features, heads: as nn.MultiheadAttention.
    """

    rounds = False

    def __init__(self, weights: Grid, values: Grid, *, length: int, features: int, heads: int) -> None:
        super().__init__(weights, values)
        self.length, self.features, self.heads = length, features, heads

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        return self._context(*streams)

    def smooth(self, *values: Tensor) -> Tensor:
        return self._context(*values)

    def _context(self, weights: Tensor, values: Tensor) -> Tensor:
        width, count = self.features // self.heads, len(weights)
        w = weights.reshape(count, -1, self.heads, weights.shape[-1])
        v = values.reshape(*values.shape[:2], self.heads, width)
        return torch.einsum("nqhk,nkhd->nqhd", w, v).reshape(count, -1, width)

    def step(self, x: Tensor | None = None) -> Tensor:
        weights, values = self.steps(x)
        return weights * values

    def range(self) -> Range:
        weights, values = (source_range(source) for source in self.sources)
        return dot(weights, values, self.length)

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        weights, values = signals
        unit = MatVec(
            rows=self.features // self.heads,
            cols=weights.channels,
            vectors=weights.positions,
            weight=widest(values.range),
            input=widest(weights.range),
            acc=self.range(),
            held=self.heads,
            by_column=True,
        )
        return (unit,)
