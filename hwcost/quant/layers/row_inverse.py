"""Rows and the inverse of their length or sum: the numbers, and the products with them."""

from math import ceil, log2

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Multiplier
from hwcost.graph.inverse import Inverse, InverseTable
from hwcost.graph.ranges import Range, between, widest
from hwcost.graph.spec import Block
from hwcost.graph.ste import floor_ste
from hwcost.graph.wire import Signal
from hwcost.quant.layers.rows import Grid, OnRows, rows_of, source_range, source_step, total_of


class RowInverse(OnRows):
    """One number for each row: 1 / sum(x), or 1 / sqrt(mean(x^2) + eps), from a table, see `InverseTable`.

    Args:
        features: elements of a row.
        source: of the rows.
        kind: "reciprocal" or "rsqrt".
        index_bits, bits: of the table.
        eps: of "rsqrt", above 0; at least one step of the sum.
        least: smallest sum of a row; of "reciprocal", whose elements are not negative.
    """

    def __init__(
        self,
        features: int,
        source: Grid,
        *,
        kind: str,
        index_bits: int = 5,
        bits: int = 8,
        eps: float = 1e-5,
        least: int = 1,
    ) -> None:
        super().__init__(source)
        InverseTable(kind, index_bits, bits, 1, 1)  # refuses what it cannot have
        if not eps > 0 or least < 1:
            raise BadOption(f"RowInverse: eps={eps!r}, least={least!r}; give an eps above 0 and a least sum of 1")
        self.features, self.kind, self.eps, self.least = features, kind, eps, least
        self.index_bits, self.bits = index_bits, bits

    @property
    def root(self) -> bool:
        """Whether squares are summed up, and their root taken."""
        return self.kind == "rsqrt"

    def addend(self, x: Tensor | None = None) -> int:
        """eps in the unit of the sum of squares."""
        if not self.root:
            return 0
        with torch.no_grad():
            step = float(source_step(self.sources[0], x))
        return max(1, round(self.eps * self.features / step**2))

    def sums(self, x: Tensor | None = None) -> Range:
        """Range of what is inverted."""
        wire = source_range(self.sources[0])
        if not self.root:
            if float(wire.low.detach()) < 0:
                raise UnknownPrecision("a sum that can be 0 has no reciprocal; give it elements of at least 0")
            return between(torch.full_like(wire.low, float(self.least)), wire.high * self.features)
        high, added = torch.maximum(wire.low.square(), wire.high.square()), self.addend(x)
        return between(torch.full_like(high, float(added)), high * self.features + added)

    def table(self, x: Tensor | None = None) -> InverseTable:
        """The table, at the present step."""
        z = self.sums(x)
        return InverseTable(self.kind, self.index_bits, self.bits, int(z.low.detach()), int(z.high.detach()))

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        (rows,) = streams
        z = (rows.square() if self.root else rows).sum(-1, keepdim=True) + self.addend(x)
        table = self.table(x)
        return table(z.clamp(table.low, table.high))

    def smooth(self, *values: Tensor) -> Tensor:
        (x,) = values
        return (x.square().mean(-1, keepdim=True) + self.eps).rsqrt() if self.root else 1 / x.sum(-1, keepdim=True)

    def step(self, x: Tensor | None = None) -> Tensor:
        unit = source_step(self.sources[0], x).double()
        scale = 2.0 ** -self.table(x).scale_bits
        return scale * self.features**0.5 / unit if self.root else scale / unit

    def range(self) -> Range:
        return self.table().range(self.sums())

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        wire, rows = source_range(self.sources[0]), rows_of(signals[0], self.features)
        z, found = self.sums(), list[Block]()
        term = wire
        if self.root:
            term = between(torch.zeros_like(wire.low), torch.maximum(wire.low.square(), wire.high.square()))
            found.append(Multiplier(channels=self.features, vectors=rows, left=wire, right=wire, output=term))
        found.append(total_of(term, between(torch.zeros_like(z.low), z.high), self.features, rows))
        inverse = Inverse(
            vectors=rows, input=z, output=self.range(), kind=self.kind, index_bits=self.index_bits, bits=self.bits
        )
        return (*found, inverse)


class RowProduct(OnRows):
    """Rows times one number each, which is the inverse of their length or of the sum of their factors.

    Products are shifted right until they have `bits` bits below the unit of the result.

    Args:
        source: of the rows; inverse: the layer that makes the numbers.
        reach: largest magnitude of a result, in units: sqrt(features) of a normalized row; of a mean weighted with what
            was summed up, the largest integer that was weighted.
        bits: below that unit.
        features: with a factor and an addend for each feature (`weight`, `bias`), which the next thresholds absorb;
            None without them.
        heads: rows that are joined to one: the heads of attention.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        source: Grid,
        inverse: RowInverse,
        *,
        bits: int,
        features: int | None = None,
        biased: bool = False,
        heads: int = 1,
    ) -> None:
        super().__init__(source, inverse)
        self.bits, self.heads = bits, heads
        self.weight = None if features is None else nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features)) if features is not None and biased else None

    @property
    def inverse(self) -> RowInverse:
        """The layer that makes the numbers."""
        found = self.sources[1]
        assert isinstance(found, RowInverse)
        return found

    def reach(self) -> Range:
        """Largest magnitude of an exact product, in units of the result, as a range."""
        if self.inverse.root:
            return between(-1, 1)
        found = self.sources[0]
        assert isinstance(found, OnRows)
        return source_range(found.sources[1])

    def _unit_bits(self) -> int:
        """Bits of the result below 1: of a normalized row, whose numbers are at most sqrt(features), as many more."""
        return self.bits + (ceil(log2(self.inverse.features) / 2) if self.inverse.root else 0)

    def shift(self, x: Tensor | None = None) -> int:
        """Bits cut off the product."""
        return self.cut(self.inverse.table(x))

    def cut(self, table: InverseTable) -> int:
        """Bits cut off the product with an inverse of a table."""
        return max(0, table.scale_bits - self._unit_bits())

    def codes(self, *streams: Tensor, x: Tensor | None = None) -> Tensor:
        rows, inverse = streams
        y = (rows * inverse) >> self.shift(x)
        return y if self.heads == 1 else y.reshape(len(y), -1, self.heads * y.shape[-1])

    def smooth(self, *values: Tensor) -> Tensor:
        y = values[0] * values[1]
        return y if self.heads == 1 else y.reshape(len(y), -1, self.heads * y.shape[-1])

    def affine(self, y: Tensor) -> Tensor:
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias

    @property
    def open(self) -> str | None:
        return None if self.weight is None else f"a factor per feature ({type(self).__name__})"

    def step(self, x: Tensor | None = None) -> Tensor:
        table = self.inverse.table(x)
        unit = 2.0 ** (self.cut(table) - table.scale_bits)
        rows = source_step(self.sources[0], x).double()
        if self.inverse.root:  # the step of the rows divides that of the inverse
            return torch.full_like(rows, self.inverse.features**0.5 * unit)
        whole: Tensor = rows * unit / source_step(self.inverse.sources[0], x).double()
        return whole

    def range(self) -> Range:
        table, wire = self.inverse.table(), self.reach()
        # what the table says may be above the exact inverse by this much
        worst = 1 + (1.0 if table.index_bits == 0 else 2.0 ** -(table.index_bits + 1)) + 2.0**-table.bits
        unit = 2.0 ** (table.scale_bits - self.shift()) * worst
        return between(floor_ste(wire.low * unit), floor_ste(wire.high * unit))

    def blocks(self, *signals: Signal) -> tuple[Block, ...]:
        rows, inverse = (widest(signal.range) for signal in signals)
        channels, vectors = signals[0].channels, signals[0].positions
        return (Multiplier(channels=channels, vectors=vectors, left=rows, right=inverse, output=self.range()),)
