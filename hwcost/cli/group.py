"""The group of all commands: each is imported when it is called; an error raised on purpose is one line, status 2."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from hwcost.cli.settings import read_from_a_file
from hwcost.errors import HwcostError


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        where: package.module:name.
        summary: the first sentence of its help, so that listing the commands imports none.
    """

    where: str
    summary: str


def complain(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    lines = (line.strip().removesuffix(";") for line in message.splitlines())
    click.echo(f"hwcost: error: {'; '.join(line for line in lines if line)}", err=True)


class Group(click.Group):
    """Turns every error raised on purpose into one line and exit status 2.

    Args:
        lazy: name -> command; in the order of the help.
        options: as `click.Group`.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        if cmd_name not in self.commands:
            module, _, name = self.lazy[cmd_name].where.partition(":")
            command = getattr(import_module(module), name)
            command.short_help = self.lazy[cmd_name].summary
            read_from_a_file(command)
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in self.lazy and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.lazy, n=1)
            known = f"do you mean {near[0]}?" if near else f"known: {', '.join(self.lazy)}"
            raise click.UsageError(f"no command {name!r}; {known}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self.lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=command.summary)
            for name, command in self.lazy.items()
            if name.startswith(incomplete)
        ]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HwcostError as error:
            complain(str(error))
            ctx.exit(2)
