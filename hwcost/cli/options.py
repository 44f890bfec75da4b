"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from math import isfinite
from typing import Any

import click
from click.shell_completion import CompletionItem

from hwcost.errors import BadOption
from hwcost.models.device import devices

Command = Callable[..., Any]


@dataclass(frozen=True)
class Telling:
    """How much a command says on standard error while it works; what it came to is said in any case."""

    quiet: bool = False
    verbose: bool = False


def that_tells(each: str) -> Callable[[Command], Command]:
    """--quiet and --verbose, for a command that shows progress: it gets them as `telling`, a `Telling`.

    Args:
        each: what --verbose gives a line to, e.g. "epoch".
    """

    def with_options(command: Command) -> Command:
        @wraps(command)
        def telling(*given: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
            if quiet and verbose:
                raise BadOption("--quiet and --verbose both given; give one")
            return command(*given, telling=Telling(quiet, verbose), **options)

        said = click.option("--verbose", is_flag=True, help=f"A line for each {each}.")(telling)
        return click.option("--quiet", is_flag=True, help="No progress display.")(said)

    return with_options


def _positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses 0, negative numbers, NaN and infinities."""
    if value is not None and not (isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is no finite number above 0.", ctx, param)
    return value


def _parts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of parts and boards, for Tab."""
    named = [(name, part) for part in devices() for name in (part.name, *part.aliases)]
    return [CompletionItem(name, help=part.family) for name, part in named if name.startswith(incomplete)]


def on_a_part(command: Command) -> Command:
    """The options of everything that is priced on a part."""
    for option in (
        click.option("--clock", "clock_mhz", type=float, callback=_positive, help="Clock in MHz."),
        click.option("--fps", type=float, callback=_positive, help="Target frame rate, frames/s."),
        click.option(
            "--device",
            "part",
            metavar="NAME",
            shell_complete=_parts,
            help="FPGA part or board; see `hwcost devices`.",
        ),
    ):
        command = option(command)
    return command
