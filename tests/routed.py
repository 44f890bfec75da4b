"""A synthesizer and a router that answer at once, and a placed netlist as nextpnr writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hwcost.build.route.flow import JOINT, Cell, Hop, Netlist, Routed, Source
from hwcost.models.device import Device

SOURCE = Source(top="net", files={"net.v": "module net;", "net_a.v": "module net_a;"}, units=("a", "b"))


def netlist(**amounts: int) -> Netlist:
    """A netlist of these amounts, all in unit a."""
    whole = dict.fromkeys(("LUT", "FF", "BRAM18", "DSP", "pins"), 0) | amounts
    return Netlist(text=f"{whole}", amounts=whole, units={"a": whole, JOINT: dict.fromkeys(whole, 0)})


@dataclass
class FakeSynthesizer:
    """Gives what it holds, and counts its calls."""

    made: Netlist
    calls: int = 0
    name: str = "synthesizer 1.0"
    passes: str = "map"

    def script(self, source: Source) -> str:
        return self.passes

    def synthesize(self, source: Source, limit_s: float) -> Netlist:
        self.calls += 1
        return self.made


@dataclass
class FakeRouter:
    """Clocks of its own for each seed, and a log of the seeds that it routed."""

    clocks: dict[int, float] = field(default_factory=lambda: {1: 60.0, 2: 70.0, 3: 65.0, 4: 80.0})
    routed: list[int] = field(default_factory=list)
    name: str = "router 1.0"

    def command(self, device: Device, seed: int) -> tuple[str, ...]:
        return (device.part, str(seed))

    def pins(self, device: Device) -> int:
        return 100

    def route(
        self, netlist: Netlist, device: Device, *, seed: int, limit_s: float, heard: Callable[[str], None]
    ) -> Routed:
        heard("routing")
        self.routed.append(seed)
        return run(seed, self.clocks[seed])


def run(seed: int, fmax_mhz: float) -> Routed:
    """A design of three cells, whose slowest path leads from unit a to unit b and back."""
    return Routed(
        seed=seed,
        fmax_mhz=fmax_mhz,
        used={"LUT": 1, "FF": 1, "BRAM18": 1, "DSP": 0, "pins": 0},
        path=(Hop("a", "logic", 0.5), Hop("a", "routing", 2.0), Hop("b", "logic", 1.0), Hop("a", "logic", 0.25)),
        cells=(Cell("a", "LUT", 3, 4), Cell("b", "FF", 3, 4), Cell("b", "BRAM18", 10, 12)),
        seconds=1.5,
        files={"design.bit": b"\x00\xff"},
    )
