"""Price many width assignments of one network at once: tables per block, then only look-ups and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.models.dataflow import Dataflow
from hwcost.models.folding import unit_names
from hwcost.models.formula import Formula, Job
from hwcost.models.resources import AREAS, RESOURCES, place
from hwcost.ranges import Range, between, integers, widest
from hwcost.spec import Adder, Layer, MatVec, Pool, Thresholds, Window

Wires = tuple[int, ...]


@dataclass(frozen=True)
class _Batch:
    """Ranges of one wire for every combination of the widths in `wires`; the last axes are one per wire."""

    wires: Wires
    range: Range


class WidthTable:
    """All prices of one folded network, as a function of its weight and activation widths.

    The widths that can change are the weights of every matrix-vector unit ("conv1.weight") and the outputs of every
    activation ("relu1.output"). Accumulators follow: the exact width of the dot product, plus whatever the described
    layer had on top of it (a bias, a clip). Signs and narrow ranges stay as described.

    Args:
        model: the folded pipeline.
        layers: from `pipeline.layers()`, in one call: wires are told apart by identity.
        most_bits: largest width of a wire, 2 to 16; tables grow with its cube.

    Raises:
        BadOption: a block whose widths follow from none of these (name it, and price it with `model.price`).
    """

    def __init__(self, model: Dataflow, layers: Sequence[Layer], *, most_bits: int = 8) -> None:
        if not 2 <= most_bits <= 16:
            raise BadOption(f"WidthTable: most_bits={most_bits}; choose 2 to 16")
        self.most_bits = most_bits
        self._names: list[str] = []
        self._now: list[int] = []
        self._known: dict[int, _Batch] = {}
        self._keep = layers  # identities hold as long as the objects live
        self._tables: dict[Wires, Tensor] = {}
        with torch.no_grad():
            for layer in layers[:1]:
                for signal in layer.inputs:
                    self._known[id(signal.range.bits)] = _Batch((), widest(signal.range))
            placed = place(layers)
            names = unit_names(placed)
            jobs = model.plan(placed)
            self._cycles = max(
                (self._enter(model, job, names.get(i, job.layer)) for i, job in enumerate(jobs)), default=0
            )

    @property
    def wires(self) -> tuple[str, ...]:
        """Names of the widths, in the order of the columns of an assignment."""
        return tuple(self._names)

    @property
    def described(self) -> Tensor:
        """The widths of the described layers, (wires,), int64."""
        return torch.tensor(self._now, dtype=torch.int64)

    def totals(self, bits: Tensor) -> dict[str, Tensor]:
        """Total cost of every assignment.

        Args:
            bits: whole widths, 1 to most_bits; integer, (assignments, wires).

        Returns:
            LUT, FF, DSP, BRAM18, URAM (sums over the network) and cycles (the initiation interval, which no width
            changes): float64 (assignments,). No gradient.

        Raises:
            BadOption: a wrong shape, or a width out of bounds.
        """
        if bits.ndim != 2 or bits.shape[1] != len(self._names) or bits.dtype.is_floating_point:
            raise BadOption(f"totals: bits must be integers of shape (assignments, {len(self._names)})")
        if len(bits) and (int(bits.min()) < 1 or int(bits.max()) > self.most_bits):
            raise BadOption(f"totals: widths from {int(bits.min())} to {int(bits.max())}; use 1 to {self.most_bits}")
        total = torch.zeros(len(bits), len(AREAS), dtype=torch.float64)
        columns = (bits.to(torch.int64) - 1).T.contiguous()
        for wires, rows in self._tables.items():
            if not wires:
                total += rows
                continue
            index = columns[wires[0]]
            for wire in wires[1:]:
                index = index * self.most_bits + columns[wire]
            total += rows.index_select(0, index)
        found = dict(zip(AREAS, total.T, strict=True))
        found["cycles"] = torch.full((len(bits),), float(self._cycles), dtype=torch.float64)
        return {name: found[name] for name in RESOURCES}

    def shadow_prices(self, bits: Tensor) -> dict[str, dict[str, float]]:
        """What one more bit on each wire costs the whole network: the designer's list of the cheapest bit to cut.

        Args:
            bits: one assignment, (wires,); a wire that is as wide as the table is left out.

        Returns:
            wire -> resource -> change of the total.
        """
        rows = [bits] + [bits + (torch.arange(len(bits)) == i) * (bits < self.most_bits) for i in range(len(bits))]
        totals = self.totals(torch.stack(rows))
        return {
            name: {area: float(totals[area][i + 1] - totals[area][0]) for area in AREAS}
            for i, name in enumerate(self._names)
            if int(bits[i]) < self.most_bits
        }

    def _enter(self, model: Dataflow, job: Job, name: str) -> int:
        """Tabulate one block; returns its cycles."""
        formula = model.formulas[type(job.block)]
        inputs = self._inputs(job, name)
        if not isinstance(formula, Formula) or inputs is None:
            raise BadOption(
                f"{name}: the widths of a {type(job.block).__name__} follow from no weight or activation here"
            )
        wires = tuple(sorted({wire for batch in inputs for wire in batch.wires}))
        widths = torch.stack([_grid(batch, wires, self.most_bits) for batch in inputs])
        found = formula.at([job], model.setting, widths.unsqueeze(-1))
        rows = torch.stack([found[area].squeeze(-1) for area in AREAS], dim=1)
        self._tables[wires] = self._tables[wires] + rows if wires in self._tables else rows
        return int(found["cycles"].max())

    def _inputs(self, job: Job, name: str) -> tuple[_Batch, ...] | None:
        """The batched widths that the law of a block asks for, in its order; enters its outputs among the known."""
        block: Any = job.block
        if isinstance(block, MatVec):
            weight, source = self._free(f"{name}.weight", block.weight), self._known.get(id(block.input.bits))
            if source is None:
                return None
            acc = self._dot(block, weight, source)
            return weight, source, acc
        if isinstance(block, Thresholds):
            compared = self._known.get(id(block.input.bits))
            return None if compared is None else (compared, self._free(f"{name}.output", block.output))
        if isinstance(block, Window):
            source = self._known.get(id(block.input.bits))
            return None if source is None else (source,)
        if isinstance(block, Pool) and block.kind == "max":
            source = self._known.get(id(block.input.bits))
            if source is not None:
                self._known[id(block.output.bits)] = source
            return None if source is None else (source, source)
        if isinstance(block, Adder):
            return self._add(block)
        return None

    def _free(self, name: str, described: Range) -> _Batch:
        if id(described.bits) in self._known:  # one quantizer shared by several layers is one width
            return self._known[id(described.bits)]
        self._names.append(name)
        one = widest(described)
        self._now.append(int(one.bits.ceil()))
        bits = torch.arange(1, self.most_bits + 1, dtype=torch.float64)
        narrow = bool(one.low == -one.high) and not one.bipolar
        if one.bipolar:  # the code of one bit is bipolar, wider ones are integers
            wider = integers(bits, signed=True)
            span = Range(torch.where(bits == 1, -1.0, wider.low), torch.where(bits == 1, 1.0, wider.high), bits)
        else:
            span = integers(bits, signed=one.signed, narrow=narrow)
        batch = _Batch((len(self._names) - 1,), span)
        self._known[id(described.bits)] = batch
        return batch

    def _dot(self, block: MatVec, weight: _Batch, source: _Batch) -> _Batch:
        wires = tuple(sorted(set(weight.wires + source.wires)))
        a, b = (SimpleNamespace(**_spread(batch, wires, self.most_bits)) for batch in (weight, source))
        corners = torch.stack([a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high])
        acc = between(corners.amin(0) * block.cols, corners.amax(0) * block.cols)
        here = widest(block.weight), widest(block.input)
        products = torch.stack([w * x for w in (here[0].low, here[0].high) for x in (here[1].low, here[1].high)])
        plain = between(products.amin() * block.cols, products.amax() * block.cols).bits
        extra = (widest(block.acc).bits - plain).ceil()
        batch = _Batch(wires, Range(acc.low, acc.high, (acc.bits + extra).clamp(min=1)))
        self._known[id(block.acc.bits)] = batch
        return batch

    def _add(self, block: Adder) -> tuple[_Batch, ...] | None:
        left, right = self._known.get(id(block.left.bits)), self._known.get(id(block.right.bits))
        if left is None or right is None:
            return None
        wires = tuple(sorted(set(left.wires + right.wires)))
        a, b = (SimpleNamespace(**_spread(batch, wires, self.most_bits)) for batch in (left, right))
        batch = _Batch(wires, between(a.low + b.low, a.high + b.high))
        self._known[id(block.output.bits)] = batch
        return (batch,)


def _spread(batch: _Batch, wires: Wires, most: int) -> dict[str, Tensor]:
    """low, high and bits of a batch on the grid of more wires: one flat axis, the last wire running fastest."""
    shape = [most if wire in batch.wires else 1 for wire in wires]
    full = [most] * len(wires)
    return {
        name: getattr(batch.range, name).reshape(shape).expand(full).reshape(-1) for name in ("low", "high", "bits")
    }


def _grid(batch: _Batch, wires: Wires, most: int) -> Tensor:
    return _spread(batch, wires, most)["bits"]
