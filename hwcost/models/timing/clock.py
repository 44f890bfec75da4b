"""The clock that a pipeline reaches, and the unit that limits it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hwcost.graph.spec import Link
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.relax import relax
from hwcost.models.timing.delays import Delays
from hwcost.models.timing.handshake import Handshakes
from hwcost.models.timing.paths import LAWS, delay
from hwcost.models.timing.registers import longest


@dataclass(frozen=True, kw_only=True)
class UnitClock:
    """The longest path of a unit.

    Attributes:
        layer: of the unit.
        kind: of block, e.g. "MatVec".
        ns: from clock to clock.
        registers: that cut its path.

    The path of its handshake, which may begin in units behind it, is a row of its own.
    """

    layer: str
    kind: str
    ns: float
    registers: int

    @property
    def mhz(self) -> float:
        """The clock that it reaches."""
        return 1e3 / self.ns


@dataclass(frozen=True, kw_only=True)
class PipelineClock:
    """Clocks of all units.

    Attributes:
        units: with a law, in the order of the stream.
        untimed: "layer (kind)" of the units whose kind has no law.
        family: whose delays they are.
        margin: how many times its clock a unit may reach, as wrong as they are.
        error: how wrong they are.
    """

    units: tuple[UnitClock, ...]
    untimed: tuple[str, ...]
    family: str
    margin: float
    error: str

    @property
    def slowest(self) -> UnitClock:
        """The unit that limits the clock."""
        return max(self.units, key=lambda unit: unit.ns)

    @property
    def fmax_mhz(self) -> float:
        """The clock that every unit reaches."""
        return self.slowest.mhz

    def shortfall(self, clock_mhz: float) -> str:
        """Say which unit misses a clock, and by how much; in doubt within the margin, empty where all reach it."""
        slow = self.slowest
        if slow.mhz >= clock_mhz:
            return ""
        missing = sum(unit.mhz < clock_mhz for unit in self.units) - 1
        more = f", and {missing} more path{'s' if missing > 1 else ''}" if missing else ""
        verdict = "in doubt" if slow.mhz * self.margin >= clock_mhz else "not reachable"
        return (
            f"{clock_mhz:g} MHz is {verdict}: {slow.layer} ({slow.kind}) takes {slow.ns:.1f} ns of "
            f"{1e3 / clock_mhz:.1f} with {_registers(slow.registers)}, {slow.mhz:.0f} MHz{more}"
        )

    def record(self) -> dict[str, object]:
        """Plain data, for JSON."""
        return {
            "fmax_mhz": self.fmax_mhz,
            "limited_by": self.slowest.layer,
            "units": [
                {"layer": one.layer, "kind": one.kind, "ns": one.ns, "registers": one.registers} for one in self.units
            ],
            "untimed": list(self.untimed),
        }


def _registers(count: int) -> str:
    return f"{count or 'no'} register{'' if count == 1 else 's'} on its path"


def pipeline_clock(jobs: Sequence[Job], setting: Setting, found: Delays) -> PipelineClock | None:
    """Find the clock of every unit.

    Args:
        jobs: blocks with all choices made.
        setting: what they share.
        found: delays of the family.

    Returns:
        None where no unit has a law.

    Error: reports/calibration/timing.md. Longer nets in a full part are not in it.
    """
    units, untimed = [], []
    handshakes = Handshakes(jobs, found)
    for job in jobs:
        kind, ns = type(job.block).__name__, longest(job, setting, found)
        if ns is None:
            untimed.append(f"{job.layer} ({kind})")
        else:
            units.append(UnitClock(layer=job.layer, kind=kind, ns=ns, registers=len(job.cuts)))
        if not isinstance(job.block, Link):
            ns = float(handshakes.moving(job).delay(found))
            units.append(UnitClock(layer=job.layer, kind=f"handshake of {kind}", ns=ns, registers=0))
    if all(isinstance(job.block, Link) or type(job.block) not in LAWS for job in jobs):
        return None
    return PipelineClock(
        units=tuple(units), untimed=tuple(untimed), family=found.name, margin=found.margin, error=found.error
    )


def delays(jobs: Sequence[Job], setting: Setting, found: Delays) -> Tensor:
    """Nanoseconds of the longest path of every block with its registers where they are.

    Returns:
        float64 (len(jobs),), 0 for a kind without a law. Exact at whole widths; gradient to the widths of the path that
        is longest, that of the law without its roundings.
    """
    return torch.stack([_delay(job, setting, found) for job in jobs]) if jobs else torch.zeros(0, dtype=torch.float64)


def _delay(job: Job, setting: Setting, found: Delays) -> Tensor:
    if type(job.block) not in LAWS:
        return torch.zeros((), dtype=torch.float64)
    law, widths = LAWS[type(job.block)]
    column = torch.stack([bits.to(torch.float64) for bits in widths(job.block)]).reshape(-1, 1)
    answer = relax(
        lambda ops, columns: {"ns": delay(ops, law(ops, list(columns), job, setting).cut(job.cuts), found)},
        column,
    )
    return answer["ns"][0]
