"""Settings from a TOML file: one table per command, with its flags as keys."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from hwcost.cli.options import PLACE
from hwcost.errors import BadOption

CONFIG = "config"


def read_from_a_file(command: click.Command) -> None:
    """Give a command the option --config FILE, whose table of the command's name sets what the flags do not."""
    if all(option.name != CONFIG for option in command.params):
        command.params.append(
            click.Option(
                [f"--{CONFIG}"],
                type=PLACE,
                is_eager=True,  # before the options whose values it may hold
                expose_value=False,
                callback=_apply,
                help="TOML file whose table of this command's name holds flags; a flag given here wins.",
            )
        )


def _apply(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.default_map = settings(path, ctx.command, _known_commands(ctx))


def _known_commands(ctx: click.Context) -> list[str]:
    root = ctx.find_root()
    return root.command.list_commands(root) if isinstance(root.command, click.Group) else [str(ctx.command.name)]


def settings(path: Path, command: click.Command, commands: Iterable[str]) -> dict[str, Any]:
    """Read the values of one command.

    Args:
        path: a TOML file; a key is a flag without its dashes, or the name of an argument in small letters.
        command: the command; without a table of its name, nothing is set.
        commands: every command that may have a table in the file.

    Returns:
        Name of a parameter -> value.

    Raises:
        BadOption: no such file, no TOML, an unknown table or key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadOption(f"--config {path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, or nested too deeply
        raise BadOption(f"--config {path}: no TOML: {error}") from None
    names = list(commands)
    for name, table in tables.items():
        if name not in names:
            raise BadOption(f"--config {path}: {_unknown(name, names, 'table')}")
        if not isinstance(table, dict):
            raise BadOption(f"--config {path}: {name} = {table!r}; give a table, [{name}], with the flags below it")
    options = keys(command)
    found = {}
    for key, value in tables.get(str(command.name), {}).items():
        if key not in options:
            raise BadOption(f"--config {path}: [{command.name}]: {_unknown(key, list(options), 'key')}")
        option = options[key]
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, bool) for one in values) and not getattr(option, "is_flag", False):
            raise BadOption(f"--config {path}: {key} = {value!r}; true and false are for flags without a value")
        several = option.multiple or option.nargs == -1
        found[str(option.name)] = _given(value) if several else _plain(path, key, value)
    return found


def keys(command: click.Command) -> dict[str, click.Option | click.Argument]:
    """Map the keys of a settings file to parameters: the long flag without its dashes, or the name of an argument."""
    found: dict[str, Any] = {}
    for option in command.params:
        if option.name in (CONFIG, "help", None):
            continue
        flags = [flag for flag in option.opts if flag.startswith("--")] if isinstance(option, click.Option) else []
        found[flags[0].removeprefix("--") if flags else str(option.name)] = option
    return found


def _given(value: Any) -> list[str]:
    """Read a repeatable option: a list, a table as NAME=VALUE, or one value."""
    if isinstance(value, Mapping):
        return [f"{name}={amount}" for name, amount in value.items()]
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _plain(path: Path, key: str, value: Any) -> Any:
    if isinstance(value, list | Mapping):
        raise BadOption(f"--config {path}: {key} = {value!r}; give one value")
    return value if isinstance(value, bool) else str(value)


def _unknown(name: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return f"unknown {what} {name!r}; {meant}"
