"""Group of all commands: each is imported when it is called; a deliberate error is one line and exit status 2."""

import difflib
import errno
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from hwcost.cli.settings import read_from_a_file
from hwcost.errors import HwcostError


class Lazy(NamedTuple):
    """Command that is not imported yet.

    Attributes:
        where: package.module:name.
        summary: the first sentence of its help, so that listing the commands imports none.
    """

    where: str
    summary: str


def complain(message: str) -> None:
    """Print a message as one line on standard error."""
    lines = (line.strip().removesuffix(";") for line in message.splitlines())
    click.echo(f"hwcost: error: {'; '.join(line for line in lines if line)}", err=True)


class Group(click.Group):
    """Group that turns every deliberate error into one line and exit status 2.

    Args:
        name: of the program.
        callback: the function without a command.
        lazy: name -> command; in the order of the help.
        epilog: last paragraph of the help.
        params, help: as in `click.Group`.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        lazy: Mapping[str, Lazy],
        callback: Callable[..., object] | None = None,
        params: list[click.Parameter] | None = None,
        help: str | None = None,
        epilog: str | None = None,
    ) -> None:
        super().__init__(
            name,
            callback=callback,
            params=params,
            help=help,
            epilog=epilog,
            invoke_without_command=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
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
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(self.lazy)}"
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

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HwcostError as error:
            complain(str(error))
        except MemoryError:
            complain("out of memory; give a smaller network, fewer --jobs, or a machine with more")
        except OSError as error:  # of the machine, wherever it strikes: a full disk, a folder without rights
            if error.errno in (None, errno.EPIPE):
                raise
            complain(f"{error.filename or 'the system'}: {error.strerror}; mend that and run again")
        return ctx.exit(2)
