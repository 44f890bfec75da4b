"""A folded streaming pipeline: one unit per block, all at work at once, the slowest sets the frame rate."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor

from hwcost.errors import BadFolding, BadOption, UnknownBlock
from hwcost.graph.spec import Block, MatVec
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.folding import word_fifos
from hwcost.models.folding.assign import Chooser
from hwcost.models.folding.folds import Folding, unit_names
from hwcost.models.formulas.formula import Fold, Formula, Job
from hwcost.models.formulas.matvec import MatVecFormula, fault
from hwcost.models.formulas.price_cache import PriceMemo
from hwcost.models.formulas.table import FORMULAS, BlockPrice
from hwcost.models.memo import Memo
from hwcost.models.options import StyleOptions, Styles, check_layers
from hwcost.models.rates import clock
from hwcost.models.resources import RESOURCES, Placed
from hwcost.models.timing.clock import PipelineClock, delays, pipeline_clock
from hwcost.models.timing.delays import Delays, families
from hwcost.models.timing.registers import pipelined


class Dataflow:
    """Price of a folded dataflow pipeline on one part.

    Matrix-vector units follow `folding`. Every other block takes the least parallelism that keeps up with them.

    Args:
        device: a Device, or its name.
        folding: unit name -> Fold, for every matrix-vector unit; from `target_fps`, or by hand. The name of a unit is
            that of its layer; where a layer has several, "layer[0]", "layer[1]" and so on.
        clock_mhz: of the fabric, above 0; for rates, and for the registers of pipelining="auto".
        formulas: block kind -> price of blocks of that kind.
        styles: multipliers, weight_memory, weight_banks, thresholds, flow, writable and pipelining, see `Styles`.

    Raises:
        UnknownDevice, BadOption: what the argument is, and what it may be.
    """

    resources: tuple[str, ...] = RESOURCES

    def __init__(
        self,
        *,
        device: Device | str,
        folding: Mapping[str, Fold],
        clock_mhz: float = 100.0,
        formulas: Mapping[type[Block], BlockPrice] = FORMULAS,
        **styles: Unpack[StyleOptions],
    ) -> None:
        self.device = find_device(device) if isinstance(device, str) else device
        for name, fold in folding.items():
            if not isinstance(fold, Fold):
                raise BadOption(f"folding[{name!r}]={fold!r}: give a Fold, e.g. Fold(pe=4, simd=8)")
        self.folding = folding
        self.clock_mhz = clock(clock_mhz)
        self.formulas = formulas
        self.styles = Styles(**styles)
        self.styles.check_part(self.device)
        self.setting = self.styles.setting(self.device.dsp_kind)
        self._memo = PriceMemo(self.setting)
        self._fifos: Memo[Hashable, word_fifos.Depths] = Memo(most=64)

    def __repr__(self) -> str:
        return (
            f"Dataflow({self.device.name}, {self.clock_mhz:g} MHz, folding of {len(self.folding)} units, {self.styles})"
        )

    @property
    def non_decreasing(self) -> bool:
        """Whether no price falls where a width grows: so is every `Formula`; of other functions it is not known.

        Registers that follow from widths may move to where a sum is narrower.
        """
        return not self.styles.pipelining and all(isinstance(formula, Formula) for formula in self.formulas.values())

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """The cost of every block.

        Args:
            placed: blocks with the names of their layers, in any order. Blocks that keep up with the others look at
                the slowest matrix-vector unit among them, unless `folding` came from `target_fps`; where another
                block cannot be that fast, it sets the interval.

        Returns:
            LUT, FF, DSP, BRAM18, URAM, LUTRAM (counts; LUTRAM is part of LUT) and cycles (per inference): float64
            (len(placed),) each. Whole at whole widths; gradient to every width, never negative.

        Raises:
            UnknownBlock: a block without a formula. BadFolding: a unit without a fold or with an illegal one; a
                block that cannot keep the interval of a folding from `target_fps`.

        Error: matrix-vector units: see `MatVecFormula`; whole pipelines: reports/calibration/published.md. DMA and the
            shell of a board are not in it.
        """
        return self.price_jobs(self.plan(placed))

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        """Refuse folds, multipliers and memories for layers that the network does not have."""
        check_layers("folding", self.folding, {*layers, *unit_names(placed).values()})
        self.styles.check_names(layers)

    def price_jobs(self, jobs: Sequence[Job]) -> dict[str, Tensor]:
        """Price blocks whose choices are made, each independently of its neighbours."""
        kinds: dict[type[Block], list[int]] = {}
        for index, job in enumerate(jobs):
            kinds.setdefault(type(job.block), []).append(index)
        tables, order = self._tables(kinds, jobs)
        found = torch.cat([torch.zeros(0, len(RESOURCES), dtype=torch.float64), *tables])
        back = torch.tensor(order, dtype=torch.int64).argsort()
        return dict(zip(RESOURCES, found[back].unbind(1), strict=True))

    def _tables(self, kinds: dict[type[Block], list[int]], jobs: Sequence[Job]) -> tuple[list[Tensor], list[int]]:
        """Prices of groups of blocks, (blocks, resources) each, and where in `jobs` their rows belong."""
        known = {kind: formula for kind in kinds if isinstance(formula := self.formulas[kind], Formula)}
        remembered = [(known[kind], row) for kind, rows in kinds.items() if kind in known for row in rows]
        table = None
        if remembered:
            table = self._memo.price([formula for formula, _ in remembered], [jobs[row] for _, row in remembered])
        if table is None:  # fractional widths: between the points that a memo holds
            known, remembered = {}, []
        rest = {kind: rows for kind, rows in kinds.items() if kind not in known}
        tables = [self._price_kind(kind, [jobs[row] for row in rows]) for kind, rows in rest.items()]
        order = [row for _, row in remembered] + [row for rows in rest.values() for row in rows]
        return ([] if table is None else [table]) + tables, order

    def reference(self, placed: Sequence[Placed]) -> list[dict[str, int]]:
        """Price built-in blocks at whole widths in python integers, without tensors."""
        rows = []
        for job in self.plan(placed):
            formula = self._formula(job.layer, job.block)
            if not isinstance(formula, Formula):
                raise BadOption(f"{job.layer}: the formula of {type(job.block).__name__} has no integer reference")
            rows.append(formula.reference(job, self.setting))
        return rows

    def parts(self, placed: Sequence[Placed]) -> list[dict[str, float]]:
        """Break the LUTs of every block down: part ("adders", "control"...) -> LUTs; they add up to its LUT.

        A block with a formula of the user has one part, "other". No gradient.
        """
        found = []
        with torch.no_grad():
            for job in self.plan(placed):
                formula = self._formula(job.layer, job.block)
                if isinstance(formula, Formula):
                    named = formula.parts([job], self.setting).LUT
                else:
                    named = {"other": self._price_kind(type(job.block), [job])[:, RESOURCES.index("LUT")]}
                found.append({name: float(part) for name, part in named.items()})
        return found

    def plan(self, placed: Sequence[Placed]) -> list[Job]:
        """Every block with all discrete choices made: fold, multipliers, memory, adapter; in the order of `placed`."""
        folds = {index: self._unit_fold(name, _matvec(placed[index])) for index, name in unit_names(placed).items()}
        chooser = Chooser(
            formula_of=lambda item: self._formula(item.layer, item.block),
            unit_fold=folds,
            make=self.styles.job,
            fused=self.setting.fused,
        )
        interval = self._interval(placed, folds)
        try:
            jobs = chooser.jobs(placed, interval)
        except BadFolding:
            if isinstance(self.folding, Folding):
                raise
            jobs = chooser.jobs(placed, self._slowest(placed, folds, interval or 1))
        if self.styles.pipelining:
            jobs = pipelined(jobs, self.setting, self._family(), self.styles.pipelining, self.clock_mhz)
        if self.setting.flow != "rtl":
            return jobs
        return word_fifos.queued(jobs, self.formulas, lambda told, find: self._fifos.of([told], lambda _: [find()])[0])

    def clock(self, placed: Sequence[Placed]) -> PipelineClock | None:
        """The clock that every unit reaches with its registers; None where it is not known.

        That is in flow "hls", whose registers a vendor's tool places, and on families without delays.
        """
        found = families().get(self.device.dsp_kind)
        if found is None or self.setting.flow != "rtl":
            return None
        return pipeline_clock(self.plan(placed), self.setting, found)

    def delays(self, placed: Sequence[Placed]) -> Tensor:
        """Nanoseconds of the longest path of every block, float64 (len(placed),); gradient to its widths.

        Raises:
            BadOption: no delays are known of the family of the part.
        """
        return delays(self.plan(placed), self.setting, self._family())

    def _family(self) -> Delays:
        if self.device.dsp_kind not in families():
            raise BadOption(
                f"{self.device.name}: no delays are known of its family, {self.device.family}, so no registers can be "
                f"placed; give pipelining=0, or a part of {', '.join(one.name for one in families().values())}"
            )
        return families()[self.device.dsp_kind]

    def _interval(self, placed: Sequence[Placed], folds: Mapping[int, Fold]) -> int | None:
        if isinstance(self.folding, Folding):
            return self.folding.interval_cycles
        units = MatVecFormula()
        return max((units.cycles(_matvec(placed[index]), fold) for index, fold in folds.items()), default=None)

    def _slowest(self, placed: Sequence[Placed], folds: Mapping[int, Fold], interval: int) -> int:
        """The interval of a folding by hand whose units are faster than a block between them can be."""
        for index, item in enumerate(placed):
            formula = self._formula(item.layer, item.block)
            if index not in folds and isinstance(formula, Formula):
                interval = max(interval, min(formula.cycles(item.block, fold) for fold in formula.folds(item.block)))
        return interval

    def _unit_fold(self, name: str, block: MatVec) -> Fold:
        if name not in self.folding:
            raise BadFolding(f"{name}: no fold for this unit; add folding[{name!r}] = Fold(pe=..., simd=...)")
        fold = self.folding[name]
        # stream widths are checked when a folding is chosen: a width that learns must not stop the training
        if (reason := fault(block, fold)) is not None:
            raise BadFolding(f"{name}: {reason}")
        return fold

    def _formula(self, layer: str, block: Block) -> BlockPrice:
        kind = type(block)
        if kind not in self.formulas:
            raise UnknownBlock(
                f"{layer}: Dataflow has no formula for a {kind.__name__} block; pass formulas=FORMULAS | "
                f"{{{kind.__name__}: price}}, or describe the layer with blocks that have one "
                f"({', '.join(sorted(k.__name__ for k in self.formulas))})"
            )
        return self.formulas[kind]

    def _price_kind(self, kind: type[Block], jobs: list[Job]) -> Tensor:
        bill = self.formulas[kind](jobs, self.setting)
        for name in RESOURCES:
            if name not in bill or bill[name].shape != (len(jobs),):
                raise BadOption(
                    f"{jobs[0].layer}: the formula of {kind.__name__} must return {name!r} as a tensor of shape "
                    f"({len(jobs)},), one element per block"
                )
        return torch.stack([bill[name] for name in RESOURCES], dim=1)


def _matvec(item: Placed) -> MatVec:
    assert isinstance(item.block, MatVec)
    return item.block
