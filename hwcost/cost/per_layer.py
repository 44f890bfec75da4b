"""The pieces, and what they cost at given widths."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hwcost.cost.autograd_leaves import Cut, Trail, cut, of_block
from hwcost.cost.bill import Bill, price
from hwcost.cost.width_proxy import Described, Levels, StandIn
from hwcost.errors import HwcostError
from hwcost.graph.spec import Block, MatVec
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel, Job, Placed, place
from hwcost.models.memo import Memo

Table: TypeAlias = NDArray[np.float64]


@runtime_checkable
class Separable(Protocol):
    """A hardware model that can price a block without its neighbours, once the discrete choices are made."""

    def plan(self, placed: Sequence[Placed]) -> list[Job]:
        """The choices; they depend on no width."""
        ...

    def price_jobs(self, jobs: Sequence[Job]) -> dict[str, Tensor]:
        """The cost of every block."""
        ...


@dataclass(frozen=True, eq=False)
class Piece:
    """Hardware that depends on a few widths: that of one layer, or all of it.

    Attributes:
        step: position in the pipeline; -1 for the whole network.
        jobs: its blocks with all choices made; none for the whole network.
        widths: positions in `Levels` of all that it depends on, ascending.
    """

    step: int
    jobs: tuple[Job, ...]
    widths: tuple[int, ...]


class Rebuilt(Exception):
    """A layer consists of other blocks at some widths, so that the choices made for its blocks do not apply there."""


Want: TypeAlias = tuple[Piece, Levels]


class Pieces:
    """A network on a hardware model: its cost as a function of its learned widths and of nothing else.

    Any widths can be asked for; the network itself stays untouched. It holds the network of its construction: build
    another after exchanging a quantizer or the folding.

    Args:
        net: the network behind the pipeline.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted; all of the model's if None.

    Attributes:
        names, bounds, groups: of the widths, see `StandIn`.
        pieces: their amounts add up to the cost of the network; one for a model that is not `Separable`.
        complete: False if the cost depends on more than whole learned widths; then the pieces mean nothing.
        resources: in the order of all tables.
    """

    def __init__(
        self, net: nn.Module, pipeline: Pipeline, model: HardwareModel, resources: Collection[str] | None = None
    ) -> None:
        self._model = model
        self._net = StandIn(net, pipeline)
        self.names, self.bounds, self.groups = self._net.names, self._net.bounds, self._net.groups
        self._memo: Memo[tuple[Piece, bool, tuple[float, ...]], tuple[Table, Table]] = Memo()
        self.resources = tuple(model.resources if resources is None else resources)
        self._areas = np.array([name != "cycles" for name in self.resources])
        self.pieces: tuple[Piece, ...] = ()
        self.complete = self._net.whole and self._cut()

    def costs(self, wanted: Sequence[Want], *, slopes: bool) -> list[tuple[Table, Table]]:
        """Amounts of pieces at some widths, and their slopes; remembered.

        Args:
            wanted: each a piece and the widths of the whole network; whole, within `bounds`.
            slopes: whether gradients are wanted; else they are 0.

        Returns:
            Per wanted: (resources,) amounts, cycles those of the slowest block; and (resources, len(piece.widths))
            gradients, per bit. That of cycles is 0 in a piece of one layer.

        Raises:
            Rebuilt: see there.
        """
        keys = [(piece, slopes, tuple([levels[width] for width in piece.widths])) for piece, levels in wanted]
        with torch.set_grad_enabled(slopes):
            return self._memo.of(keys, lambda new: self._computed([wanted[position] for position in new]))

    def _computed(self, wanted: Sequence[Want]) -> list[tuple[Table, Table]]:
        if wanted[0][0].step < 0:
            return [self._cost_of_all(piece, levels) for piece, levels in wanted]
        return self._costs_apart(wanted)

    def total(self, parts: Sequence[Table]) -> Table:
        """(resources,) of the network from those of its pieces: areas add up, the slowest sets the cycles."""
        table = np.stack(parts)
        total: Table = np.where(self._areas, table.sum(0), table.max(0))
        return total

    def _cut(self) -> bool:
        """Find the pieces; False if the cost depends on more than the widths."""
        with torch.enable_grad():
            bill = price(self._net.pipeline, self._model)
        trail = Trail()
        blocks = chain.from_iterable(of_block(placed.block) for placed in bill.placed)
        reached = self._net.widths_of(trail.leaves(chain(bill.amounts.values(), blocks)))
        if reached is None or not self._blind(bill):
            return False
        if not isinstance(self._model, Separable):
            self.pieces = (Piece(-1, (), reached),)
            return True
        needs = self._net.learn(bill.layers, trail)
        if needs is None:
            return False
        self.pieces = tuple(_by_layer(bill, self._model.plan(bill.placed), needs))
        return self._agrees()

    def _blind(self, bill: Bill) -> bool:
        """Whether the model overlooks the values of the weights, which training moves."""
        blank = [
            replace(layer, spec=replace(layer.spec, blocks=tuple(map(_blank, layer.blocks)))) for layer in bill.layers
        ]
        try:
            with torch.no_grad():
                without = self._model.price(place(blank))
        except HwcostError:
            return False
        return all(torch.equal(amount, without[name]) for name, amount in bill.amounts.items())

    def _agrees(self) -> bool:
        """Whether the pieces add up to the network at other widths too: a layer may depend on one without gradient."""
        for shift in (1, 2):
            levels = [float(min(base + (index + shift) % 3, most)) for index, (base, most) in enumerate(self.bounds)]
            with torch.no_grad():
                expected = torch.stack(self._whole(levels)).numpy()
            try:
                parts = self.costs([(piece, levels) for piece in self.pieces], slopes=False)
            except Rebuilt:
                return False
            if not np.array_equal(self.total([amounts for amounts, _ in parts]), expected):
                return False
        return True

    def _whole(self, levels: Levels) -> list[Tensor]:
        self._net.set(levels, range(len(levels)))
        total = price(self._net.pipeline, self._model).total()
        return [total[name] for name in self.resources]

    def _cost_of_all(self, piece: Piece, levels: Levels) -> tuple[Table, Table]:
        amounts = self._whole(levels)
        slopes = [self._chained([amount], [torch.ones_like(amount)], piece.widths) for amount in amounts]
        return torch.stack(amounts).detach().numpy(), np.stack(slopes)

    def _costs_apart(self, wanted: Sequence[Want]) -> list[tuple[Table, Table]]:
        assert isinstance(self._model, Separable)
        known: Described = {}
        jobs: list[Job] = []
        cuts: list[list[Cut]] = []
        starts = []
        for piece, levels in wanted:
            blocks = [item.block for item in place([self._net.describe(piece.step, levels, known)])]
            if [type(block) for block in blocks] != [type(job.block) for job in piece.jobs]:
                raise Rebuilt(self._net.pipeline.steps[piece.step].name)
            cuts.append([cut(block) for block in blocks])
            starts.append(len(jobs))
            jobs += [replace(job, block=one.block) for job, one in zip(piece.jobs, cuts[-1], strict=True)]
        bill = self._model.price_jobs(jobs)
        table = np.stack([bill[name].detach().numpy() for name in self.resources])
        sums, slowest = np.add.reduceat(table, starts, axis=1), np.maximum.reduceat(table, starts, axis=1)
        values = np.where(self._areas[:, None], sums, slowest).T
        slopes = [np.zeros((len(self.resources), len(piece.widths))) for piece, _ in wanted]
        for row, name in enumerate(self.resources):
            if name != "cycles" and torch.is_grad_enabled():
                self._chain_row(row, bill[name].sum(), wanted, cuts, slopes)
        return list(zip(values, slopes, strict=True))

    def _chain_row(
        self, row: int, amount: Tensor, wanted: Sequence[Want], cuts: Sequence[Sequence[Cut]], slopes: Sequence[Table]
    ) -> None:
        """Slopes of one resource: from its price to the ranges of all blocks in one pass, and on to the widths."""
        ends = [end for blocks in cuts for one in blocks for end in one.ends]
        if not amount.requires_grad or not ends:
            return
        grads = iter(torch.autograd.grad(amount, ends, retain_graph=True, allow_unused=True))
        for (piece, _), blocks, slope in zip(wanted, cuts, slopes, strict=True):
            pairs = [(start, next(grads)) for one in blocks for start in one.starts]
            used = [(start, grad) for start, grad in pairs if grad is not None]
            slope[row] = self._chained([start for start, _ in used], [grad for _, grad in used], piece.widths)

    def _chained(self, starts: Sequence[Tensor], grads: Sequence[Tensor], widths: Sequence[int]) -> Table:
        offsets = self._net.offsets(widths)
        if not offsets or not any(start.requires_grad for start in starts):
            return np.zeros(len(widths))
        found = torch.autograd.grad(starts, offsets, grads, retain_graph=True, allow_unused=True)
        known = {id(offset): grad for offset, grad in zip(offsets, found, strict=True) if grad is not None}
        return np.array(self._net.gradients(widths, known))


def _blank(block: Block) -> Block:
    """A block that does not know its weights."""
    return replace(block, integers=None) if isinstance(block, MatVec) else block


def _by_layer(bill: Bill, jobs: Sequence[Job], needs: Sequence[tuple[int, ...]]) -> list[Piece]:
    """The jobs of each layer that has any; they stand together."""
    found = []
    for step, (layer, widths) in enumerate(zip(bill.layers, needs, strict=True)):
        own = tuple([job for job in jobs if job.layer == layer.name])
        if own:
            found.append(Piece(step, own, widths))
    return found
