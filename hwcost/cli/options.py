"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import click

Command = Callable[..., Any]


def _positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses 0, negative numbers, NaN and infinities."""
    if value is not None and not (isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is no finite number above 0.", ctx, param)
    return value


def on_a_part(command: Command) -> Command:
    """The options of everything that is priced on a part."""
    for option in (
        click.option("--clock", "clock_mhz", type=float, callback=_positive, help="Clock in MHz."),
        click.option("--fps", type=float, callback=_positive, help="Target frame rate, frames/s."),
        click.option("--device", "part", metavar="NAME", help="FPGA part or board; see `hwcost devices`."),
    ):
        command = option(command)
    return command
