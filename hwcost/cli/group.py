"""The group of all commands: an error raised on purpose is one line, and status 2."""

from __future__ import annotations

from typing import Any

import click

from hwcost.errors import HwcostError


def complain(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    lines = (line.strip().removesuffix(";") for line in message.splitlines())
    click.echo(f"hwcost: error: {'; '.join(line for line in lines if line)}", err=True)


class Group(click.Group):
    """Turns every error raised on purpose into one line and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HwcostError as error:
            complain(str(error))
            ctx.exit(2)
