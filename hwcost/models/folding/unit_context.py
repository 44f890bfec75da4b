"""The context of a unit that follows from its fold: its window, its links, an activation fused into it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hwcost.graph.spec import Block, Link, MatVec, Thresholds, Window
from hwcost.models.folding.assign import Chooser
from hwcost.models.formulas.formula import Fold, Formula, Job, Setting
from hwcost.models.formulas.table import FORMULAS
from hwcost.models.resources import RESOURCES, Placed


class Surroundings:
    """Units with what depends on their folds, at one interval.

    Args:
        placed: of the pipeline.
        setting: what its blocks share.
        interval: that every block keeps.
        make: the job of a block with its fold.
        fifos: whether links have the FIFOs that their neighbours ask for; without them a price is a lower bound.

    Attributes:
        coupled: whether the fold of one unit changes what another one's costs.
    """

    def __init__(
        self,
        placed: Sequence[Placed],
        setting: Setting,
        interval: int,
        make: Callable[[Placed, Fold | None], Job],
        *,
        fifos: bool = True,
    ) -> None:
        self._placed, self._setting, self._interval, self._make = placed, setting, interval, make
        self._fused, self._fifos = setting.fused, fifos
        self._at = {id(item.block): index for index, item in enumerate(placed)}
        self._into: dict[int, list[int]] = {}
        self._from: dict[int, list[int]] = {}
        for index, item in enumerate(placed):
            if isinstance(item.block, Link):
                self._into.setdefault(id(item.block.sink), []).append(index)
                self._from.setdefault(id(item.block.source), []).append(index)
        units = [index for index, item in enumerate(placed) if isinstance(item.block, MatVec)]
        own = {index: self._own(index) for index in units}
        self._parts = {index: (mine, self._ends(mine)) for index, mine in own.items()}
        shared = [position for mine in own.values() for position in mine]
        self.coupled = len(shared) > len(set(shared))

    def price(
        self, unit: int, folds: Sequence[Fold], others: Mapping[int, Fold], *, alone: bool = False
    ) -> dict[str, Tensor]:
        """Price a unit and its surroundings, fold by fold.

        Args:
            unit: position among the placed blocks.
            folds: of that unit; legal.
            others: folds of all units, by position.
            alone: the surroundings without the unit.

        Returns:
            Resource -> float64 (len(folds),), cycles those of the slowest block. No gradient.
        """
        own, beside = self._parts[unit]
        positions = [*own, *beside]
        items = [self._placed[position] for position in positions]
        jobs = []
        for fold in folds:
            chosen = {i: fold if p == unit else others[p] for i, p in enumerate(positions) if p in self._parts}
            jobs += self._jobs(items, chosen)[int(alone) : len(own)]
        with torch.no_grad():
            table = priced(jobs, self._setting).reshape(len(folds), -1, len(RESOURCES))
        return {
            name: table[..., i].sum(1) if name != "cycles" or not table.shape[1] else table[..., i].amax(1)
            for i, name in enumerate(RESOURCES)
        }

    @property
    def owned(self) -> set[int]:
        """Positions of all units and of what follows from their folds."""
        return {position for own, _ in self._parts.values() for position in own}

    def rest(self, folds: Mapping[int, Fold]) -> list[Job]:
        """The jobs of everything else, at any folds of the units."""
        owned = self.owned
        return [job for position, job in enumerate(self._jobs(self._placed, folds)) if position not in owned]

    def _jobs(self, items: Sequence[Placed], folds: Mapping[int, Fold]) -> list[Job]:
        jobs = Chooser(lambda item: FORMULAS.get(type(item.block)), folds, self._make, self._fused).jobs(
            items, self._interval
        )
        if self._fifos:
            return jobs
        return [job if job.adapter is None else replace(job, adapter=replace(job.adapter, depth=0)) for job in jobs]

    def _own(self, unit: int) -> list[int]:
        """The unit, its window, its fused activations, and every link of these."""
        blocks = [unit]
        blocks += [at for at in self._sources(unit) if isinstance(self._placed[at].block, Window)]
        if self._fused:
            blocks += [at for at in self._sinks(unit) if isinstance(self._placed[at].block, Thresholds)]
        links = [
            link
            for at in blocks
            for table in (self._into, self._from)
            for link in table.get(id(self._placed[at].block), ())
        ]
        return list(dict.fromkeys([*blocks, *links]))

    def _ends(self, own: Sequence[int]) -> list[int]:
        """Positions on the other side of the links."""
        links = [self._placed[at].block for at in own if isinstance(self._placed[at].block, Link)]
        ends = [id(end) for link in links if isinstance(link, Link) for end in (link.source, link.sink)]
        return [at for at in dict.fromkeys(self._at[end] for end in ends if end in self._at) if at not in own]

    def _sources(self, at: int) -> list[int]:
        links = [self._placed[link].block for link in self._into.get(id(self._placed[at].block), ())]
        return [self._at[id(link.source)] for link in links if isinstance(link, Link) and id(link.source) in self._at]

    def _sinks(self, at: int) -> list[int]:
        links = [self._placed[link].block for link in self._from.get(id(self._placed[at].block), ())]
        return [self._at[id(link.sink)] for link in links if isinstance(link, Link) and id(link.sink) in self._at]


def priced(jobs: Sequence[Job], setting: Setting) -> Tensor:
    """Price of blocks that have a formula, (len(jobs), resources)."""
    found = torch.zeros(len(jobs), len(RESOURCES), dtype=torch.float64)
    kinds: dict[type[Block], list[int]] = {}
    for row, job in enumerate(jobs):
        kinds.setdefault(type(job.block), []).append(row)
    for kind, rows in kinds.items():
        formula = FORMULAS[kind]
        assert isinstance(formula, Formula)
        bill = formula([jobs[row] for row in rows], setting)
        found[rows] = torch.stack([bill[name] for name in RESOURCES], dim=1)
    return found
