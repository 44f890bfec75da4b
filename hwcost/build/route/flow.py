"""Protocols of a synthesizer and a router, and what passes between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hwcost.errors import HwcostError
from hwcost.models.device import Device

AREAS = ("LUT", "FF", "BRAM18", "DSP", "pins")
"""Resources that are counted; pins are those of the package that a signal needs."""

JOINT = "between units"
"""Name of what belongs to no unit: the module that joins them, and the ports."""

Heard = Callable[[str], None]
"""Called with what a tool is doing."""


class MissingRouter(HwcostError):
    """No router for the part is installed; the message says how to get one."""


class RoutingFailed(HwcostError):
    """The router stopped, or ran over its time; the message has what it said last."""


class DoesNotFit(HwcostError):
    """A netlist needs more of a resource than the part has; the message says how much more."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Verilog of an accelerator.

    Attributes:
        top: name of the module that joins the units.
        files: name -> content.
        units: names of the instances in `top`; the module of each is TOP_UNIT.
        in_dsp: those of them whose products are to be in DSP blocks; all others keep theirs in LUTs.
    """

    top: str
    files: Mapping[str, str]
    units: tuple[str, ...]
    in_dsp: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A synthesized design.

    Attributes:
        text: for the router.
        amounts: resource of AREAS -> count.
        units: unit -> resource -> count; JOINT has the rest.
    """

    text: str
    amounts: Mapping[str, int]
    units: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Hop:
    """One step of a path between two registers.

    Attributes:
        unit: where it begins.
        kind: "logic" or "routing".
        ns: its delay.
    """

    unit: str
    kind: str
    ns: float


@dataclass(frozen=True)
class Cell:
    """One cell with its place.

    Attributes:
        unit: that it belongs to.
        kind: "LUT", "FF", "BRAM18", "DSP" or "pins".
        x, y: tile of the die.
    """

    unit: str
    kind: str
    x: int
    y: int


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A routed design.

    Attributes:
        seed: of the placer.
        fmax_mhz: clock that its slowest path between registers allows.
        used: resource of AREAS -> count, with what the router adds.
        path: that path, hop by hop.
        cells: of the design, with their places.
        seconds: that it took.
        files: what a programmer needs, name -> content; empty without a packer.
    """

    seed: int
    fmax_mhz: float
    used: Mapping[str, int]
    path: tuple[Hop, ...]
    cells: tuple[Cell, ...] = field(repr=False)
    seconds: float
    files: Mapping[str, bytes] = field(repr=False, default_factory=dict)

    @property
    def path_by_unit(self) -> dict[str, dict[str, float]]:
        """Unit -> {"logic": ns, "routing": ns} of the critical path, in the order of the path."""
        found: dict[str, dict[str, float]] = {}
        for hop in self.path:
            part = found.setdefault(hop.unit, {"logic": 0.0, "routing": 0.0})
            part[hop.kind] += hop.ns
        return found

    @property
    def units(self) -> dict[str, dict[str, int]]:
        """Unit -> resource -> count of its cells."""
        found: dict[str, dict[str, int]] = {}
        for cell in self.cells:
            amounts = found.setdefault(cell.unit, dict.fromkeys(AREAS, 0))
            amounts[cell.kind] += 1
        return found


class Synthesizer(Protocol):
    """Verilog in, a netlist of the part's own cells out."""

    @property
    def name(self) -> str:
        """Tool, version and command."""
        ...

    def script(self, source: Source) -> str:
        """All that the tool is given besides the source: with its name, all of it that decides a netlist."""
        ...

    def synthesize(self, source: Source, limit_s: float) -> Netlist:
        """Synthesize with the boundaries of units kept, so that every cell bears the name of its unit.

        Raises:
            SynthesisFailed: with what the tool said last.
        """
        ...


class Router(Protocol):
    """A netlist in, a routed design out."""

    @property
    def name(self) -> str:
        """Tool and version."""
        ...

    def command(self, device: Device, seed: int) -> tuple[str, ...]:
        """Arguments that the tool gets for a part: with the name and the netlist, all that decides a result.

        Raises:
            BadOption: a part that it does not know.
        """
        ...

    def pins(self, device: Device) -> int:
        """Signals that the package of a part has pins for."""
        ...

    def route(self, netlist: Netlist, device: Device, *, seed: int, limit_s: float, heard: Heard) -> Routed:
        """Place and route.

        Raises:
            MissingRouter: it is not installed. RoutingFailed: it stopped, or ran over `limit_s` seconds.
        """
        ...
