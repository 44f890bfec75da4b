"""Options that several commands share, and how a command takes several options as one object."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from hwcost.errors import BadOption

Command = Callable[..., object]
Decorator = Callable[[Command], Command]


def gathered(kind: type, name: str, *options: Decorator) -> Decorator:
    """Give a command several options as one object.

    Args:
        kind: a dataclass; each of its fields is the parameter of one option.
        name: of the command's parameter that takes the object.
        options: `click.option` decorators, in the order of the help.
    """
    names = [field.name for field in fields(kind)]

    def with_options(command: Command) -> Command:
        @wraps(command)
        def called(*given: object, **values: object) -> object:
            made = kind(**{one: values.pop(one) for one in names})
            return command(*given, **values, **{name: made})

        result: Command = called
        for option in reversed(options):
            result = option(result)
        return result

    return with_options


@dataclass(frozen=True)
class Verbosity:
    """Amount of progress that a command reports on standard error; its result is printed in any case.

    Raises:
        BadOption: both flags are given.
    """

    quiet: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise BadOption("--quiet and --verbose both given; give one")


def with_verbosity(each: str) -> Decorator:
    """Add --quiet and --verbose to a command that shows progress; it takes them as `verbosity`.

    Args:
        each: what --verbose prints a line for, e.g. "epoch".
    """
    return gathered(
        Verbosity,
        "verbosity",
        click.option("--quiet", is_flag=True, help="No progress display."),
        click.option("--verbose", is_flag=True, help=f"Print a line for each {each}."),
    )


@dataclass(frozen=True, kw_only=True)
class Target:
    """The options of everything that is priced on a part; None where not given.

    Attributes:
        part: name of the part or board.
        fps: target frame rate, frames/s.
        clock_mhz: clock of the fabric.
    """

    part: str | None
    fps: float | None
    clock_mhz: float | None

    @property
    def given(self) -> bool:
        """Whether any option was given."""
        return (self.part, self.fps, self.clock_mhz) != (None, None, None)


LONGEST, LONGEST_PATH = 255, 4000
"""Bytes of a file's name, and of a path with room for the name of a file of ours, on Linux."""


class Place(click.Path):
    """Path that the file system can hold, whether anything is there or not.

    Args:
        options: of `click.Path`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty text, a NUL, and a name that is too long."""
        path = str(value)
        if not path or "\0" in path:
            self.fail(f"{path!r} is no path.", param, ctx)
        if len(os.fsencode(path)) > LONGEST_PATH or max(len(os.fsencode(part)) for part in Path(path).parts) > LONGEST:
            self.fail(f"{path}: {os.strerror(errno.ENAMETOOLONG)}.", param, ctx)
        return super().convert(value, param, ctx)


PLACE = Place()

COUNT = click.IntRange(1, 1_000_000)
COUNT_OR_NONE = click.IntRange(0, 1_000_000)
SEED = click.IntRange(0, 2**32 - 1)
TRIAL = click.IntRange(0, 10**9)


def step(text: str) -> float:
    """Read a number or a fraction."""
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise click.BadParameter(f"{text} is not a number; give one above 0, e.g. 0.5 or 1/256") from None


def positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuse 0, negative numbers, NaN and infinities."""
    if value is not None and not (isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is not a finite number above 0.", ctx, param)
    return value


def _parts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete names of parts and boards."""
    from hwcost.models.device import devices  # only for completion, which asks for it

    named = [(name, part) for part in devices() for name in (part.name, *part.aliases)]
    return [CompletionItem(name, help=part.family) for name, part in named if name.startswith(incomplete)]


DEVICE = click.option(
    "--device", "part", metavar="NAME", shell_complete=_parts, help="FPGA part or board; `hwcost devices` lists them."
)
DEVICES = click.option(
    "--device",
    "part",
    multiple=True,
    metavar="NAME",
    shell_complete=_parts,
    help="FPGA part or board; `hwcost devices` lists them. Given again: finished trials are priced for that one too.",
)
FPS = click.option("--fps", type=float, callback=positive, help="Target frame rate, frames/s.")
CLOCK = click.option("--clock", "clock_mhz", type=float, callback=positive, help="Clock in MHz.")

with_target = gathered(Target, "target", DEVICE, FPS, CLOCK)
"""Add --device, --fps and --clock; the command takes them as `target`."""


class Setting(click.Option):
    """Setting that the file for --config or an environment variable gives; its flag is refused.

    Args:
        as `click.Option`; give `hidden=True`.
    """

    def consume_value(self, ctx: click.Context, opts: Mapping[str, click.Parameter]) -> tuple[object, ParameterSource]:
        """Take the value from the environment or the file.

        Raises:
            BadOption: it is given as a flag.
        """
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.COMMANDLINE and not ctx.resilient_parsing:
            flag = self.opts[0]
            variable = f"set {self.envvar}, or " if self.envvar else ""
            raise BadOption(
                f"{ctx.info_name}: {flag} is a setting now; {variable}put `{flag.removeprefix('--')} = ...` into the "
                "table [sweep] of a file for --config"
            )
        return value, source


class Moved(click.Option):
    """Flag of an earlier release that is refused with its new spelling, its `help`; 0 was its default."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, click.Parameter]) -> tuple[object, ParameterSource]:
        """Refuse a value.

        Raises:
            BadOption: a value is given.
        """
        value, source = super().consume_value(ctx, opts)
        given = source in (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
        if given and str(value) != "0" and not ctx.resilient_parsing:
            raise BadOption(f"{ctx.info_name}: {self.opts[0]} is now {self.help}")
        return value, source


def of_recipe(command: Command) -> Command:
    """Add --recipe to a command that takes a study: a recipe that only the study names does not run."""
    return click.option(
        "--recipe", metavar="RECIPE", help="The study's recipe on this machine.  [default: the study's, if you know it]"
    )(command)
