"""How a command builds a network on a part: folding, styles, shell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hwcost.cli.options import Command
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, Device, Fold, target_fps
from hwcost.models.folding.most_fps import Design, least_share, most_fps
from hwcost.models.formulas.coefficients import FLOWS
from hwcost.models.options import BANKS, MEMORIES, MULTIPLIERS, THRESHOLDS
from hwcost.models.shell import SHELLS, Shell, shell

SHELL_NAMES = [one.name for one in SHELLS]


@dataclass(frozen=True, kw_only=True)
class Build:
    """The options of `on_a_design`, as given.

    Attributes:
        folding: a file with PE and SIMD by unit; fastest: whether to fill the part instead.
        multipliers, weight_memory: a style, or "any" to choose per layer by what the part has of each.
        weight_banks, thresholds, flow, writable: as `Dataflow`.
        shell: name of what the board adds.
    """

    folding: Path | None
    fastest: bool
    multipliers: str
    weight_memory: str
    weight_banks: str
    thresholds: str
    flow: str
    writable: bool
    shell: str

    def model(
        self, pipeline: Pipeline, part: Device, clock_mhz: float, fps: float | None, default_fps: float
    ) -> Dataflow:
        """The pipeline on a part.

        Args:
            pipeline: the network.
            part: with everything on it; the shell is left room for where the part is to be filled.
            clock_mhz: of the fabric.
            fps: frames per second that were asked for; None for `default_fps`, or for what a folding gives.
        """
        if sum((self.folding is not None, self.fastest, fps is not None)) > 1:
            raise BadOption("--folding, --fastest and --fps exclude each other; give one")
        shared: dict[str, Any] = {"weight_banks": self.weight_banks, "thresholds": self.thresholds, "flow": self.flow}
        styles: dict[str, Any] = {"multipliers": self.multipliers, "weight_memory": self.weight_memory}
        folding: Mapping[str, Fold]
        if self.folding is not None:
            folding = read_folding(self.folding)
            self._no_choice("--folding")
        elif self.fastest or "any" in styles.values():
            design = self._chosen(pipeline, part, clock_mhz, None if self.fastest else fps or default_fps)
            folding, styles = (
                design.folding,
                {
                    "multipliers": design.multipliers,
                    "weight_memory": design.weight_memory,
                },
            )
        else:
            folding = target_fps(pipeline, fps or default_fps, clock_mhz=clock_mhz, **styles, **shared)
        return Dataflow(device=part, folding=folding, clock_mhz=clock_mhz, writable=self.writable, **styles, **shared)

    def around(self) -> Shell:
        """What the board adds."""
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
        return most_fps(pipeline, **options) if fps is None else least_share(pipeline, fps, **options)

    def _no_choice(self, why: str) -> None:
        for name, value in (("--multipliers", self.multipliers), ("--weight-memory", self.weight_memory)):
            if value == "any":
                raise BadOption(f"{name} any chooses foldings too, but {why} gives them; name a style")


def read_folding(path: Path) -> dict[str, Fold]:
    """PE and SIMD by unit, from JSON: {"conv1": {"PE": 16, "SIMD": 3}, ...}; "Defaults" of a FINN file is left out.

    Raises:
        BadOption: a file that cannot be read or says something else; names the entry.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadOption(f"--folding {path}: {error}") from error
    if not isinstance(table, dict):
        raise BadOption(f'--folding {path}: give an object, {{"conv1": {{"PE": 16, "SIMD": 3}}, ...}}')
    folds = {}
    for name, entry in table.items():
        if name == "Defaults":
            continue
        sizes: list[Any] = [entry.get(key) for key in ("PE", "SIMD")] if isinstance(entry, dict) else []
        if len(sizes) != 2 or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
            raise BadOption(f'--folding {path}: {name}: {entry}; give {{"PE": 16, "SIMD": 3}}, whole numbers above 0')
        folds[name] = Fold(pe=sizes[0], simd=sizes[1])
    return folds


def on_a_design(command: Command) -> Command:
    """The options of `Build`."""
    for option in (
        click.option("--shell", type=click.Choice(SHELL_NAMES), default="none", show_default=True,
                     help="What the board adds."),
        click.option("--writable", is_flag=True, help="Weights and thresholds can be exchanged at run time."),
        click.option("--flow", type=click.Choice(FLOWS), default="rtl", show_default=True,
                     help="How units are written."),
        click.option("--thresholds", type=click.Choice(THRESHOLDS), default="search", show_default=True,
                     help="Comparators of an activation."),
        click.option("--weight-banks", type=click.Choice(BANKS), default="shared", show_default=True,
                     help="One weight memory per unit or per PE."),
        click.option("--weight-memory", type=click.Choice((*MEMORIES, "any")), default="auto", show_default=True,
                     help="Of all units; any: chosen per layer by what the part has."),
        click.option("--multipliers", type=click.Choice((*MULTIPLIERS, "any")), default="lut", show_default=True,
                     help="Of all units; any: chosen per layer by what the part has."),
        click.option("--fastest", is_flag=True, help="Fold for most frames/s within what the part digests."),
        click.option("--folding", type=click.Path(path_type=Path), metavar="FILE",
                     help="JSON with PE and SIMD of every unit."),
    ):  # fmt: skip
        command = option(command)
    return command
