"""Place and route of an accelerator, as `hwcost build --route` asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from hwcost.cli.laboratory import Tools
from hwcost.cli.options import gathered
from hwcost.cli.table import print_table
from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, place
from hwcost.models.device import Device, device, devices
from hwcost.models.timing.clock import pipeline_clock
from hwcost.models.timing.delays import families

if TYPE_CHECKING:
    from hwcost.build.route.flow import Netlist, Routed, Source

PRICED = ("LUT", "FF", "BRAM18", "DSP")
WORDS = {"LUT": "LUT4", "FF": "FF", "BRAM18": "block RAM, 18 kbit", "DSP": "multiplier blocks", "pins": "pins"}


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Options of place and route, as given."""

    route: bool
    route_device: str | None
    seeds: int | None
    route_s: int | None

    def check(self) -> None:
        """Refuse options without --route, and --route without its extra, before anything is built.

        Raises:
            BadOption: names what is missing.
        """
        if not self.route and (self.route_device, self.seeds, self.route_s) != (None, None, None):
            raise BadOption("--route-device, --seeds and --route-s apply to place and route; also give --route")
        if self.route and find_spec("amaranth") is None:
            raise BadOption("amaranth is not installed; pip install 'hwcost[route]'")


with_routing = gathered(
    Routing,
    "routing",
    click.option("--route", is_flag=True, help="Place and route it: LUT, FF, BRAM, DSP, Fmax, floorplan, bitstream."),
    click.option(
        "--route-device",
        metavar="NAME",
        help="ECP5 part to route on.  [default: the design's, else the smallest that it fills to half]",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(1, 99),
        help="Seeds of the placer; the run with the median Fmax is taken.  [default: 1]",
    ),
    click.option(
        "--route-s",
        type=click.IntRange(1, 86_400),
        help="Seconds for the synthesis, and for each seed.  [default: 1800]",
    ),
)
"""Add the options of `Routing`; the command takes them as `routing`."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Results of place and route.

    Attributes:
        device: the part.
        netlist: as synthesized.
        routed: the run with the median Fmax; runs: all of them.
        priced: resource -> amount, as the laws say; priced_for: the part that they say it of.
        priced_mhz: the clock of the built units, by the delays of the part; None where none are known.
        clock_mhz: that the design asks for.
        tools: names of the synthesizer and the router.
        order: units, those of the network in the order of the stream.
    """

    device: Device
    netlist: Netlist
    routed: Routed
    runs: list[Routed]
    priced: Mapping[str, float]
    priced_for: Device
    priced_mhz: float | None
    clock_mhz: float
    tools: tuple[str, str]
    order: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The figures, ready for JSON."""
        return {
            "device": self.device.name,
            "part": self.device.part,
            "tools": list(self.tools),
            "priced_for": self.priced_for.name,
            "priced": dict(self.priced),
            "synthesized": dict(self.netlist.amounts),
            "routed": dict(self.routed.used),
            "fmax_mhz": round(self.routed.fmax_mhz, 2),
            "priced_fmax_mhz": None if self.priced_mhz is None else round(self.priced_mhz, 2),
            "clock_mhz": self.clock_mhz,
            "seeds": {str(run.seed): round(run.fmax_mhz, 2) for run in self.runs},
            "seconds": round(max(run.seconds for run in self.runs), 1),
            "critical_path_ns": {
                unit: {kind: round(ns, 3) for kind, ns in part.items()}
                for unit, part in self.routed.path_by_unit.items()
            },
            "units": {unit: self.routed.units.get(unit, {}) for unit in self.order},
        }


def place_and_route(
    source: Source, pipeline: Pipeline, model: Dataflow, priced: Estimate, routing: Routing, tools: Tools
) -> Placed:
    """Synthesize, choose a part where none is given, and route.

    Raises:
        BadOption: a part that has no router. DoesNotFit, SynthesisFailed, RoutingFailed, MissingRouter: as `Runs`.
    """
    from hwcost.build.route.families import FAMILIES, smallest, tools_of
    from hwcost.build.route.runs import Runs, median

    own = model.device if model.device.family in FAMILIES else None
    part = own if routing.route_device is None else device(routing.route_device)
    family = next(one for one in devices() if one.family in FAMILIES) if part is None else part
    synthesizer, router = tools_of(family, tools.tool)
    names = (synthesizer.name, router.name)  # tells before the synthesis whether the router is there
    runs = Runs(
        synthesizer=synthesizer, router=router, cache=tools.cache, jobs=tools.jobs or 0, limit_s=routing.route_s or 1800
    )
    with _progress() as heard:
        netlist = runs.synthesize(source, heard)
        part = smallest(netlist, family.family, router) if part is None else part
        routed = runs.route(netlist, part, range(1, (routing.seeds or 1) + 1), heard)
    figures, priced_for = _priced(pipeline, model, priced, part)
    return Placed(
        device=part,
        netlist=netlist,
        routed=median(routed),
        runs=routed,
        priced=figures,
        priced_for=priced_for,
        priced_mhz=_priced_mhz(pipeline, model, part),
        clock_mhz=model.clock_mhz,
        tools=names,
        order=source.units,
    )


def _priced(pipeline: Pipeline, model: Dataflow, priced: Estimate, part: Device) -> tuple[dict[str, float], Device]:
    """The price of the same design on the part that is routed; where no law prices that, the one there is."""
    found, of = priced, model.device
    if part.dsp_kind != model.device.dsp_kind:
        try:
            other = Dataflow(
                device=part,
                folding=model.folding,
                clock_mhz=model.clock_mhz,
                formulas=model.formulas,
                **asdict(model.styles),
            )
            found, of = estimate(pipeline, other), part
        except BadOption:
            pass
    else:
        of = part
    return {area: float(found.total[area]) for area in PRICED}, of


def _priced_mhz(pipeline: Pipeline, model: Dataflow, part: Device) -> float | None:
    """The clock of the units as they are built, whatever part their registers were chosen for."""
    found = families().get(part.dsp_kind)
    if found is None:
        return None
    built = model.plan(place(pipeline.layers()))
    clock = pipeline_clock(built, model.styles.setting(part.dsp_kind), found)
    return None if clock is None else clock.fmax_mhz


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what the tools are doing, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda stage: None
        return
    with console.status("place and route") as status:
        yield lambda stage: status.update(f"place and route: {stage}")


def write_placed(out: Path, name: str, placed: Placed) -> list[str]:
    """Write route.json, the floorplan and the bitstream: names of the files.

    Raises:
        BadOption: the folder cannot be written.
    """
    from hwcost.build.route.floorplan import floorplan

    files = {
        "route.json": (json.dumps(placed.record(), indent=2) + "\n").encode(),
        "floorplan.png": floorplan(placed.routed, placed.device, placed.order),
        **{file.replace("design", name): content for file, content in placed.routed.files.items()},
    }
    try:
        for file, content in files.items():
            (out / file).write_bytes(content)
    except OSError as error:
        raise BadOption(f"--out {out}: cannot be written ({error.strerror}); give another folder") from None
    return sorted(files)


def show_placed(placed: Placed) -> None:
    """Print priced, synthesized and routed amounts, the clock, and the critical path by unit."""
    part, routed = placed.device, placed.routed
    same = placed.priced_for.family == part.family
    headers = ["", "priced" if same else f"priced ({placed.priced_for.name})", "synthesized", "routed", "filled"]
    rows = []
    for area, words in WORDS.items():
        room = part.capacity.get(area)
        rows.append(
            [
                words if same or area != "LUT" else "LUT4 (priced: LUT6)",
                f"{placed.priced[area]:,.0f}" if area in placed.priced else "-",
                f"{placed.netlist.amounts[area]:,}",
                f"{routed.used[area]:,}",
                "-" if room is None else f"{routed.used[area] / room:.1%}",
            ]
        )
    print_table(headers, rows, left=("",))
    verdict = "reached" if routed.fmax_mhz >= placed.clock_mhz else "not reached"
    seeds = ", ".join(f"{run.fmax_mhz:.1f}" for run in placed.runs)
    spread = "" if len(placed.runs) == 1 else f", the median of {seeds}"
    priced = "" if placed.priced_mhz is None else f"; {placed.priced_mhz:.0f} MHz priced"
    click.echo(
        f"{part.name}: Fmax {routed.fmax_mhz:.1f} MHz{spread}{priced}; {placed.clock_mhz:g} MHz asked: {verdict}"
    )
    total = sum(hop.ns for hop in routed.path)
    click.echo(f"critical path, {total:.1f} ns:")
    for unit, part_ns in routed.path_by_unit.items():
        click.echo(f"  {unit}: logic {part_ns['logic']:.1f} ns, routing {part_ns['routing']:.1f} ns")
