"""Declared facts of a network, and those in the printed text of one, which studies of version 1 recorded."""

import inspect
import re
from collections.abc import Iterator
from enum import Enum

from torch import nn

Facts = dict[str, dict[str, str]]
"""Path of a module -> "class", "parameter NAME" or the name of a declared attribute -> text."""


def facts(net: nn.Module) -> Facts:
    """Declare a network: for each module its class, its plain attributes, and the shapes of its tensors.

    Values of parameters are no part of it: they follow from the seed. Modules without any child, parameter or attribute
    of their own still have a class.
    """
    return {name: dict(_facts_of_module(module)) for name, module in net.named_modules()}


def _facts_of_module(module: nn.Module) -> Iterator[tuple[str, str]]:
    yield "class", type(module).__name__
    for name, value in vars(module).items():
        text = None if name.startswith("_") or name == "training" else _plain(value)
        if text is not None:
            yield name, text
    for name, parameter in module.named_parameters(recurse=False):
        yield f"parameter {name}", f"{tuple(parameter.shape)} {parameter.dtype}"
    for name, buffer in module.named_buffers(recurse=False):
        yield name, f"{tuple(buffer.shape)} {buffer.dtype}"


def _plain(value: object) -> str | None:
    """Text of a number, a word, or several of them; None for anything else."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool | int | float | str) or value is None:
        return str(value)
    if isinstance(value, tuple | list):
        texts = [_plain(one) for one in value]
        return None if None in texts else f"({', '.join(map(str, texts))})"
    return getattr(value, "__name__", None) if inspect.isfunction(value) else None


def agree(stored: Facts, now: Facts) -> bool:
    """Whether two declarations mean the same network: modules, classes, parameters, and what both say of them.

    An attribute that one of them lacks was not declared at the time, so it cannot tell them apart.
    """
    return stored.keys() == now.keys() and all(
        all(mine.get(name) == theirs.get(name) for name in mine.keys() | theirs.keys() if _must_be_there(name))
        and all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
        for mine, theirs in ((stored[path], now[path]) for path in now)
    )


def _must_be_there(name: str) -> bool:
    return name == "class" or name.startswith("parameter ")


_MODULE = re.compile(r"^(?P<indent> *)(?:\((?P<name>[^)]*)\): )?(?P<kind>\w+)\((?P<rest>.*)$")


def facts_of_text(text: str) -> Facts:
    """Facts in a printed network: classes by path, `name=value` attributes, others by their place."""
    found: Facts = {}
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        module = _MODULE.match(line)
        named = module is not None and (module["name"] is not None or not found)
        if module is not None and named:
            indent = len(module["indent"])
            path = [(at, name) for at, name in path if at < indent] + [(indent, module["name"] or "")]
            found[".".join(name for _, name in path if name)] = {"class": module["kind"]}
        said = module["rest"].removesuffix(")") if module is not None and named else line.strip()
        if path:
            found[".".join(name for _, name in path if name)] |= _arguments(said)
    return found


def _arguments(text: str) -> dict[str, str]:
    """`4, kernel_size=(3, 3)` -> {"argument 0": "4", "kernel_size": "(3, 3)"}."""
    parts = [part.strip() for part in re.split(r",(?![^()\[\]]*[)\]])", text) if part.strip(" )")]
    split = [part.partition("=") for part in parts]
    return {
        name if equals else f"argument {at}": value if equals else name
        for at, (name, equals, value) in enumerate(split)
    }
