"""The form of a block formula: geometry and widths in, one law, three ways to evaluate it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

from hwcost.graph.spec import Block
from hwcost.models.amounts import whole
from hwcost.models.formulas.arithmetic import EXACT, SMOOTH, Arithmetic, Geometry, Quantity
from hwcost.models.formulas.coefficients import values
from hwcost.models.formulas.dual_numbers import Slope
from hwcost.models.formulas.fabric import FABRICS, Fabric
from hwcost.models.formulas.relax import relax, stacked
from hwcost.models.resources import LARGEST, RESOURCES


@dataclass(frozen=True)
class Fold:
    """The parallelism of a block.

    Attributes:
        pe: outputs at once (processing elements). simd: inputs at once, per processing element.
        parallel_window: whether a sliding window shows all its pixels at once.

    Raises:
        BadOption: a parallelism that is not a whole number of at least 1.
    """

    pe: int = 1
    simd: int = 1
    parallel_window: bool = False

    def __post_init__(self) -> None:
        for name, value in (("pe", self.pe), ("simd", self.simd)):
            if type(value) is not int or value < 1:  # hot: a hundred folds are made for every price of a network
                object.__setattr__(self, name, whole(name, value))  # frozen; integers of numpy become those of Python


@dataclass(frozen=True)
class Adapter:
    """The hardware that a stream needs between two blocks.

    Attributes:
        produced, consumed: elements per word, before and behind.
        depth: words of a FIFO, as they are consumed; 0 without one.
        copied: whether the stream is one of several copies. ahead: whether the FIFO holds words as they are produced.
    """

    produced: int = 1
    consumed: int = 1
    depth: int = 0
    copied: bool = False
    ahead: bool = False


@dataclass(frozen=True)
class Setting:
    """The choices that all blocks of one design share.

    Attributes:
        dsp_kind: slice of the part.
        thresholds: "search" (a pipeline of one comparator per output bit) or "parallel" (one per threshold).
        flow: "rtl" or "hls".
        weight_banks: "shared" (one wide memory for all PE of a unit) or "per_pe" (a memory each).
        writable: whether weights and thresholds can be exchanged at run time.
    """

    dsp_kind: str
    thresholds: str
    flow: str
    weight_banks: str
    writable: bool = False

    @property
    def fused(self) -> bool:
        """Whether the activation behind a unit is part of it, and as parallel; as in finn-hlslib."""
        return self.flow == "hls" and self.thresholds == "parallel"

    @property
    def fabric(self) -> Fabric:
        """Building blocks of the part."""
        return FABRICS[self.dsp_kind]

    @property
    def constants(self) -> Mapping[str, float]:
        """Constants of the laws, by name."""
        return values(self.flow, self.fabric.constants)


@dataclass(frozen=True, eq=False)
class Job:
    """One block, with every discrete choice made.

    Attributes:
        layer, block: name of its layer, and what to build.
        fold: parallelism; None for a block whose formula knows no folding.
        multipliers: "lut" or "dsp". weight_memory: "auto", "lutram", "bram18", "uram" or "external".
        adapter: of a link; None for every other block.
        copies: vectors (pixels) at once, of a block that is built as a whole, as unrolled ones are.
        cuts: places of registers along its path, ascending; see `stages.places`.
    """

    layer: str
    block: Block
    fold: Fold | None = None
    multipliers: str = "lut"
    weight_memory: str = "auto"
    adapter: Adapter | None = None
    copies: int = 1
    cuts: tuple[int, ...] = ()

    @property
    def parallel(self) -> Fold:
        """The fold of a block that has one."""
        assert self.fold is not None
        return self.fold


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The terms of a price, in whatever arithmetic the law was evaluated with.

    Attributes:
        LUT: by what they build: "adders", "control" and so on. LUTRAM: those that are RAM or shift registers.
        FF, DSP, BRAM18, URAM: counts; a block that never has any of one kind leaves it out.
        cycles: per inference. levels: adders one after the other; of unrolled blocks only.
    """

    LUT: Mapping[str, Quantity]
    FF: Quantity
    DSP: Quantity = 0.0
    BRAM18: Quantity = 0.0
    URAM: Quantity = 0.0
    LUTRAM: Quantity = 0.0
    cycles: Quantity
    levels: Quantity = 0.0

    def total(self, resources: Sequence[str] = RESOURCES) -> dict[str, Quantity]:
        """One quantity per resource: the parts of the LUTs summed up."""
        return {name: reduce(add, self.LUT.values()) if name == "LUT" else getattr(self, name) for name in resources}


B = TypeVar("B", bound=Block)


class Law(ABC, Generic[B]):
    """The price of one kind of block. A subclass says what is known; the evaluation is here.

    Attributes:
        resources: what it prices.
    """

    resources: tuple[str, ...] = RESOURCES

    @abstractmethod
    def widths(self, block: B) -> tuple[Tensor, ...]:
        """The widths that the law depends on, at least 1 bit: () each, or one per channel."""

    @abstractmethod
    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        """Everything else that the law depends on, as numbers (flags are 0 or 1)."""

    @abstractmethod
    def law(self, ops: Arithmetic, widths: Sequence[Quantity], g: Geometry, setting: Setting) -> Parts:
        """Parts, from widths (in the order of `widths`) and geometry `g` (by attribute)."""

    def elements(self, job: Job) -> float:
        """Number of copies of what the law prices, spread evenly over the channels of its widths."""
        return 1.0

    def parts(self, jobs: Sequence[Job], setting: Setting) -> Parts:
        """Every part of every job; float64 (len(jobs),) each, differentiable."""
        bill = self(jobs, setting)
        luts = self._evaluated(jobs, setting, lambda parts: dict(parts.LUT))
        return Parts(LUT=luts, **{name: bill[name] for name in self.resources if name != "LUT"})

    def __call__(self, jobs: Sequence[Job], setting: Setting) -> dict[str, Tensor]:
        """Every resource of every job; float64 (len(jobs),) each.

        Exact at whole widths; the gradient is that of the law without its roundings, so it never dies.
        """
        return self._evaluated(jobs, setting, lambda parts: parts.total(self.resources))

    def exact(self, job: Job, setting: Setting) -> Parts:
        """The parts of one job at whole widths, () each, in python numbers.

        Raises:
            ValueError: a width is no whole number.
        """
        widths = [float(w.detach()) for w in self.widths(cast(B, job.block))]
        if any(w != int(w) for w in widths):
            raise ValueError(f"{job.layer}: the reference takes whole widths only, got {widths}")
        numbers = {name: int(v) if float(v).is_integer() else v for name, v in self.geometry(job, setting).items()}
        return self.law(EXACT, [int(w) for w in widths], Geometry(**numbers), setting)

    def _evaluated(
        self, jobs: Sequence[Job], setting: Setting, chosen: Callable[[Parts], dict[str, Quantity]]
    ) -> dict[str, Tensor]:
        columns: dict[int, Tensor] = {}
        for job in jobs:
            if id(job.block) not in columns:
                columns[id(job.block)] = _column(self.widths(cast(B, job.block)))
        entries = [columns[id(job.block)].shape[1] for job in jobs]
        table = _columns([self.geometry(job, setting) for job in jobs], entries)
        found = relax(
            lambda ops, widths: chosen(self.law(ops, list(widths), table, setting)),
            torch.cat([columns[id(job.block)] for job in jobs], dim=1),
        )
        elements = [self.elements(job) for job in jobs]
        if sum(entries) == len(jobs) and elements == [1.0] * len(jobs):
            return found
        repeats = torch.tensor(entries)
        owner = torch.arange(len(jobs)).repeat_interleave(repeats)
        count = (torch.tensor(elements, dtype=torch.float64) / repeats).repeat_interleave(repeats)
        none = torch.zeros(len(jobs), dtype=torch.float64)
        return {
            name: none.scatter_reduce(0, owner, amount, "amax")
            if name in LARGEST
            else none.index_add(0, owner, amount * count)
            for name, amount in found.items()
        }


class Formula(Law[B]):
    """The price of a block of which a part is built and used again, and what parallelism it may have."""

    @abstractmethod
    def folds(self, block: B) -> list[Fold]:
        """Every legal parallelism, the cheapest first."""

    @abstractmethod
    def cycles(self, block: B, fold: Fold) -> int:
        """Cycles per inference."""

    def at(self, jobs: Sequence[Job], setting: Setting, widths: Tensor) -> dict[str, Tensor]:
        """Every resource at other widths than the blocks have; without gradient.

        Args:
            jobs: blocks with their choices. setting: what they share.
            widths: in the order of `widths`, whole; float64 (k, ..., len(jobs)).

        Returns:
            Resource -> float64 (..., len(jobs)).
        """
        with torch.no_grad():
            table = _columns([self.geometry(job, setting) for job in jobs], [1] * len(jobs))
            found = self.law(EXACT, list(widths), table, setting).total()
            return dict(zip(found, stacked(found, widths.shape[1:]), strict=True))

    def reference(self, job: Job, setting: Setting) -> dict[str, int]:
        """One job at whole widths, in python numbers.

        Raises:
            ValueError: a width is no whole number.
        """
        return {name: int(value) for name, value in self.exact(job, setting).total().items()}

    def slopes(
        self, widths: Sequence[float], geometry: Mapping[str, float], setting: Setting
    ) -> dict[str, tuple[float, ...]]:
        """Derivatives of the smooth law of one block to its widths.

        Args:
            widths: whole, in bits. geometry: of the job.
            setting: what all blocks share.

        Returns:
            Resource -> one derivative per width; equal to autograd but for the order of float additions.
        """
        count = len(widths)
        axes = [Slope(width, tuple([float(i == j) for j in range(count)])) for i, width in enumerate(widths)]
        found = self.law(SMOOTH, axes, Geometry(**geometry), setting).total()
        none = (0.0,) * count
        return {name: quantity.parts if isinstance(quantity, Slope) else none for name, quantity in found.items()}


def _column(widths: Sequence[Tensor]) -> Tensor:
    """(k, entries): the widths of one block, one entry per channel where one has a width per channel."""
    flat = [bits.to(torch.float64).reshape(-1) for bits in widths]
    entries = max(len(bits) for bits in flat)
    return torch.stack([bits.expand(entries) for bits in flat])


def _columns(rows: Sequence[dict[str, float]], entries: Sequence[int]) -> Geometry:
    table = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64).T
    if sum(entries) > len(entries):
        table = table.repeat_interleave(torch.tensor(entries), dim=1)
    return Geometry(**dict(zip(rows[0], table, strict=True)))


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]
