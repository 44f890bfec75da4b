"""The form of a block formula: geometry and widths in, one law, three ways to evaluate it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from hwcost.graph.spec import Block
from hwcost.models.amounts import whole
from hwcost.models.formulas.coefficients import values
from hwcost.models.formulas.relax import EXACT, PLAIN, Arithmetic, Quantity, relax
from hwcost.models.resources import RESOURCES


@dataclass(frozen=True)
class Fold:
    """How much of a block is built in parallel.

    Attributes:
        pe: outputs at once (processing elements).
        simd: inputs at once, per processing element.
        parallel_window: whether a sliding window shows all its pixels at once.

    Raises:
        BadOption: a parallelism that is not a whole number of at least 1.
    """

    pe: int = 1
    simd: int = 1
    parallel_window: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "pe", whole("pe", self.pe))  # frozen; integers of numpy become those of Python
        object.__setattr__(self, "simd", whole("simd", self.simd))


@dataclass(frozen=True)
class Adapter:
    """What a stream needs between two blocks.

    Attributes:
        produced, consumed: elements per word, before and behind.
        depth: words of a FIFO, as they are consumed; 0 without one.
        copied: whether the stream is one of several copies.
    """

    produced: int = 1
    consumed: int = 1
    depth: int = 0
    copied: bool = False


@dataclass(frozen=True)
class Setting:
    """What all blocks of one design share.

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
    def constants(self) -> Mapping[str, float]:
        """Constants of the laws, by name."""
        return values(self.flow)


@dataclass(frozen=True, eq=False)
class Job:
    """One block, with every discrete choice made.

    Attributes:
        layer: name of its layer.
        block: what to build.
        fold: parallelism; None for a block whose formula knows no folding.
        multipliers: "lut" or "dsp".
        weight_memory: "auto", "lutram", "bram18", "uram" or "external".
        adapter: of a link; None for every other block.
    """

    layer: str
    block: Block
    fold: Fold | None
    multipliers: str
    weight_memory: str
    adapter: Adapter | None = None

    @property
    def parallel(self) -> Fold:
        """The fold of a block that has one."""
        assert self.fold is not None
        return self.fold


class Formula(ABC):
    """The price of one kind of block. A subclass says what is known; the evaluation is here.

    Parts of a law are named "LUT:adders"; they sum up to "LUT". Every resource of RESOURCES must have a part.
    """

    @abstractmethod
    def folds(self, block: Any) -> list[Fold]:
        """Every legal parallelism, the cheapest first."""

    @abstractmethod
    def cycles(self, block: Any, fold: Fold) -> int:
        """Cycles per inference."""

    @abstractmethod
    def widths(self, block: Any) -> tuple[Tensor, ...]:
        """The widths that the law depends on: () each, at least 1 bit."""

    @abstractmethod
    def geometry(self, job: Job, setting: Setting) -> dict[str, float]:
        """Everything else that the law depends on, as numbers (flags are 0 or 1)."""

    @abstractmethod
    def law(self, ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
        """Parts, from widths (in the order of `widths`) and geometry `g` (by attribute)."""

    def parts(self, jobs: Sequence[Job], setting: Setting) -> dict[str, Tensor]:
        """Every part of every job, differentiable; float64 (len(jobs),) each."""
        return relax(self._on(self._columns(jobs, setting), setting, sums=False), self._widths(jobs))

    def __call__(self, jobs: Sequence[Job], setting: Setting) -> dict[str, Tensor]:
        """Every resource of every job, differentiable; float64 (len(jobs),) each."""
        return relax(self._on(self._columns(jobs, setting), setting, sums=True), self._widths(jobs))

    def total(self, ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
        """The law with its parts summed up: one quantity per resource."""
        return _total(self.law(ops, widths, g, setting))

    def at(self, jobs: Sequence[Job], setting: Setting, widths: Tensor) -> dict[str, Tensor]:
        """Every resource at other widths than the blocks have; without gradient.

        Args:
            jobs: blocks with their choices.
            setting: what they share.
            widths: in the order of `widths`, whole; float64 (k, ..., len(jobs)).

        Returns:
            Resource -> float64 (..., len(jobs)).
        """
        with torch.no_grad():
            found = self.total(EXACT, widths, self._columns(jobs, setting), setting)
            shape = widths.shape[1:]
            return {name: torch.as_tensor(value, dtype=torch.float64).expand(shape) for name, value in found.items()}

    def reference(self, job: Job, setting: Setting) -> dict[str, int]:
        """One job at whole widths, in python numbers.

        Raises:
            ValueError: a width is no whole number.
        """
        widths = [float(w.detach()) for w in self.widths(job.block)]
        if any(w != int(w) for w in widths):
            raise ValueError(f"{job.layer}: the reference takes whole widths only, got {widths}")
        geometry = {name: _plain(value) for name, value in self.geometry(job, setting).items()}
        found = self.law(PLAIN, [int(w) for w in widths], SimpleNamespace(**geometry), setting)
        return {name: int(value) for name, value in _total(found).items()}

    def _widths(self, jobs: Sequence[Job]) -> Tensor:
        found: dict[int, tuple[Tensor, ...]] = {}
        for job in jobs:
            if id(job.block) not in found:
                found[id(job.block)] = self.widths(job.block)
        flat = [width for job in jobs for width in found[id(job.block)]]
        return torch.stack(flat).to(torch.float64).reshape(len(jobs), -1).T

    def _columns(self, jobs: Sequence[Job], setting: Setting) -> SimpleNamespace:
        rows = [self.geometry(job, setting) for job in jobs]
        table = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64).T
        return SimpleNamespace(**dict(zip(rows[0], table, strict=True)))

    def _on(self, geometry: SimpleNamespace, setting: Setting, *, sums: bool) -> Any:
        def law(ops: Arithmetic, widths: Any) -> dict[str, Quantity]:
            found = self.law(ops, widths, geometry, setting)
            return _total(found) if sums else found

        return law


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _total(parts: Mapping[str, Quantity]) -> dict[str, Quantity]:
    sums: dict[str, Quantity] = {}
    for name, value in parts.items():
        resource = name.split(":", maxsplit=1)[0]
        sums[resource] = sums[resource] + value if resource in sums else value
    return {resource: sums[resource] for resource in RESOURCES}


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]
