"""Hardware of a network as the command line describes it: folding, styles, shell."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from hwcost.cli.network import Defaults
from hwcost.cli.options import PLACE, Target, gathered
from hwcost.errors import BadFolding, BadOption
from hwcost.export.finn_design import finn_design, is_finn
from hwcost.files import parse_json
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, Device, Fold, Mixed, Unrolled, target_fps
from hwcost.models.amounts import whole
from hwcost.models.device import USABLE, device
from hwcost.models.folding.most_fps import Design, least_share, most_fps
from hwcost.models.formulas.coefficients import FLOWS
from hwcost.models.options import BANKS, MEMORIES, MULTIPLIERS, THRESHOLDS
from hwcost.models.rates import rate_text
from hwcost.models.shell import SHELLS, Shell, shell
from hwcost.sweep.architecture import auto, unrolled
from hwcost.sweep.recipe import Recipe

SHELL_NAMES = [one.name for one in SHELLS]


@dataclass(frozen=True, kw_only=True)
class Build:
    """Options of a design, as given.

    Attributes:
        folding: a file with PE and SIMD of every unit; fastest: whether to fill the part instead.
        multipliers, weight_memory: a style, or "any" to choose one for each layer by the resources of the part.
        weight_banks, thresholds, flow, writable, pipelining: as in `Dataflow`.
        shell: name of the shell that the board adds.
    """

    folding: Path | None = None
    fastest: bool = False
    multipliers: str = "lut"
    weight_memory: str = "auto"
    weight_banks: str = "shared"
    thresholds: str = "search"
    flow: str = "rtl"
    writable: bool = False
    pipelining: int | str = 0
    shell: str = "none"

    @property
    def searched(self) -> bool:
        """Whether the design is chosen by the resources of the part."""
        return self.folding is None and (self.fastest or "any" in (self.multipliers, self.weight_memory))

    def slowest(self, pipeline: Pipeline, target: Target, defaults: Defaults) -> Dataflow:
        """Fold for one frame per second, the least that a pipeline can take, in place of a searched design."""
        multipliers = "lut" if self.multipliers == "any" else self.multipliers
        memory = "auto" if self.weight_memory == "any" else self.weight_memory
        plain = replace(self, fastest=False, multipliers=multipliers, weight_memory=memory)
        return plain.model(pipeline, replace(target, fps=1.0), defaults)

    def default_rate(self, target: Target, defaults: Defaults) -> str:
        """Say which frame rate the design was folded for, where the user gave none; else empty."""
        if target.fps is not None or self.folding is not None or self.fastest:
            return ""
        source = "of the recipe" if isinstance(defaults, Recipe) else "the default"
        return f"folded for {rate_text(defaults.fps)} frames/s, {source}; --fps N or --fastest folds for another rate"

    def model(self, pipeline: Pipeline, target: Target, defaults: Defaults) -> Dataflow:
        """Fold the pipeline on a part, and leave room for the shell where the part is to be filled.

        Args:
            pipeline: the network.
            target: part, frame rate and clock, as given.
            defaults: what replaces those that were not given.
        """
        part, clock_mhz, fps = _aim(target, defaults)
        if sum((self.folding is not None, self.fastest, target.fps is not None)) > 1:
            raise BadOption("--folding, --fastest and --fps exclude each other; give one")
        shared: dict[str, Any] = {"weight_banks": self.weight_banks, "thresholds": self.thresholds, "flow": self.flow}
        styles: dict[str, Any] = {"multipliers": self.multipliers, "weight_memory": self.weight_memory}
        folding: Mapping[str, Fold]
        if self.folding is not None:
            table = read_folding(self.folding)
            folding = {} if is_finn(table) else named_folds(table, self.folding)
            self._no_choice("--folding")
            if is_finn(table):
                folding = _of_finn(table, self.folding, pipeline, styles)
        elif self.fastest or "any" in styles.values():
            design = self._chosen(pipeline, part, clock_mhz, None if self.fastest else fps)
            folding, styles = (
                design.folding,
                {
                    "multipliers": design.multipliers,
                    "weight_memory": design.weight_memory,
                },
            )
        else:
            folding = target_fps(pipeline, fps, clock_mhz=clock_mhz, **styles, **shared)
        rest: dict[str, Any] = {"writable": self.writable, "pipelining": self.pipelining}
        return Dataflow(device=part, folding=folding, clock_mhz=clock_mhz, **rest, **styles, **shared)

    def around(self) -> Shell:
        """Shell that the board adds."""
        return shell(self.shell)

    def _chosen(self, pipeline: Pipeline, part: Device, clock_mhz: float, fps: float | None) -> Design:
        taken = self.around()
        room = {area: max(0.0, amount - getattr(taken, area)) for area, amount in part.usable.items()}
        options: dict[str, Any] = {
            "device": part,
            "clock_mhz": clock_mhz,
            "budget": room,
            "multipliers": self.multipliers,
            "weight_memory": "any" if self.weight_memory == "auto" else self.weight_memory,
            "weight_banks": self.weight_banks,
            "thresholds": self.thresholds,
            "flow": self.flow,
        }
        try:
            return most_fps(pipeline, **options) if fps is None else least_share(pipeline, fps, **options)
        except BadFolding as error:
            fill = ", ".join(f"{share:.0%} of {area}" for area, share in USABLE.items() if area in room)
            raise BadFolding(f"{error}. Counted as room: what place and route usually fills, {fill}") from None

    def _no_choice(self, why: str) -> None:
        for name, value in (("--multipliers", self.multipliers), ("--weight-memory", self.weight_memory)):
            if value == "any":
                raise BadOption(f"{name} any also chooses the folding, which {why} gives; name a style")


def read_folding(path: Path) -> dict[str, Any]:
    """Read the object that a folding file holds.

    Raises:
        BadOption: the file cannot be read, or holds something else.
    """
    try:
        table = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadOption(f"--folding {path}: {error}") from error
    if not isinstance(table, dict):
        raise BadOption(f'--folding {path}: give an object, {{"conv1": {{"PE": 16, "SIMD": 3}}, ...}}')
    return table


def named_folds(table: Mapping[str, Any], path: Path) -> dict[str, Fold]:
    """Take PE and SIMD of every unit from {"conv1": {"PE": 16, "SIMD": 3}, ...}; as in FINN's file, one left out is 1.

    Raises:
        BadOption: an entry has another form; the message names it.
    """
    folds = {}
    for name, entry in table.items():
        if name == "Defaults" and entry == {}:
            continue
        given = entry if isinstance(entry, dict) else {}
        sizes: list[Any] = [given.get(key, 1) for key in ("PE", "SIMD")]
        if not given or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
            raise BadOption(f'--folding {path}: {name}: {entry}; give {{"PE": 16, "SIMD": 3}}, whole numbers above 0')
        strange = [key for key, value in given.items() if key not in ("PE", "SIMD") and value != "auto"]
        if strange:
            raise BadOption(
                f"--folding {path}: {name}: {strange[0]}={given[strange[0]]!r} is no parallelism; give PE and SIMD, "
                "and styles with --multipliers and --weight-memory"
            )
        folds[name] = Fold(pe=sizes[0], simd=sizes[1])
    return folds


def _of_finn(table: Mapping[str, Any], path: Path, pipeline: Pipeline, styles: dict[str, Any]) -> dict[str, Fold]:
    """Take the folds of FINN's file, and its multipliers and memories in place of those of `styles`."""
    try:
        found = finn_design(table, pipeline)
    except BadOption as error:
        raise BadOption(f"--folding {path}: {error}") from None
    layers = [layer.name for layer in pipeline.layers()]
    for option, chosen in (("multipliers", found.multipliers), ("weight_memory", found.weight_memory)):
        if chosen:
            styles[option] = {name: chosen.get(name, styles[option]) for name in layers}
    if found.others:
        rest = f" and {len(found.others) - 1} more" if len(found.others) > 1 else ""
        click.echo(f"{path}: {found.others[0]}{rest}: follow from the units, whatever the file says", err=True)
    return dict(found.folds)


class Registers(click.ParamType[int | str]):
    """A number of registers, or auto."""

    name = "N|auto"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read the option."""
        if value == "auto":
            return "auto"
        try:
            return whole("--pipelining", int(str(value)), 0)
        except ValueError:
            self.fail(f"{value!r}: give a whole number of at least 0, or auto", param, ctx)


with_design = gathered(
    Build,
    "design",
    click.option("--folding", type=PLACE, metavar="FILE",
                 help="JSON file with PE and SIMD of every unit, by layer or as FINN writes it."),
    click.option("--fastest", is_flag=True, help="Fold for the highest frame rate that place and route can fit."),
    click.option("--multipliers", type=click.Choice((*MULTIPLIERS, "any")), default="lut", show_default=True,
                 help="Multipliers of all units; any chooses for each layer."),
    click.option("--weight-memory", type=click.Choice((*MEMORIES, "any")), default="auto", show_default=True,
                 help="Weight memory of all units; any chooses for each layer."),
    click.option("--weight-banks", type=click.Choice(BANKS), default="shared", show_default=True,
                 help="One weight memory per unit or per PE."),
    click.option("--thresholds", type=click.Choice(THRESHOLDS), default="search", show_default=True,
                 help="Comparators of an activation."),
    click.option("--flow", type=click.Choice(FLOWS), default="rtl", show_default=True,
                 help="Design entry of the units."),
    click.option("--writable", is_flag=True, help="Make weights and thresholds exchangeable at run time."),
    click.option("--pipelining", type=Registers(), default="0", show_default=True,
                 help="Registers on the path of each unit: a number, or auto for as few as the clock asks for."),
    click.option("--shell", type=click.Choice(SHELL_NAMES), default="none", show_default=True,
                 help="Shell that the board adds."),
)  # fmt: skip
"""Add the options of `Build`; the command takes them as `design`."""


ARCHITECTURE = click.option(
    "--architecture",
    type=click.Choice(("dataflow", "unrolled", "auto")),
    default="dataflow",
    show_default=True,
    help="Folded units, weights as constants, or each layer as it is cheaper.",
)


def of_constants(architecture: str, pipeline: Pipeline, target: Target, defaults: Defaults) -> Mixed | Unrolled:
    """Build layers as constants on a part.

    Args:
        architecture: "unrolled", or "auto", which decides for each layer.
        pipeline: the network.
        target: part, frame rate and clock, as given.
        defaults: what replaces those that were not given.
    """
    part, clock_mhz, fps = _aim(target, defaults)
    if architecture == "auto":
        return auto(pipeline, device=part, clock_mhz=clock_mhz, fps=fps)
    return unrolled(pipeline, device=part, clock_mhz=clock_mhz, fps=fps, sums="shared")


def _aim(target: Target, defaults: Defaults) -> tuple[Device, float, float]:
    """Part, clock and frame rate: as given, else the defaults."""
    return (
        device(defaults.device if target.part is None else target.part),
        defaults.clock_mhz if target.clock_mhz is None else target.clock_mhz,
        defaults.fps if target.fps is None else target.fps,
    )
