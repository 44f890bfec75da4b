"""Calls of functions that users wrote, and numbers that they return."""

import importlib
import inspect
import traceback
from collections.abc import Callable
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import ParamSpec, TypeGuard, TypeVar

import torch
from torch import nn

from hwcost.errors import BadOption, BadRecipe, HwcostError

_Given = ParamSpec("_Given")
_Got = TypeVar("_Got")


def ask(what: str, function: Callable[_Given, _Got], *args: _Given.args, **kwargs: _Given.kwargs) -> _Got:
    """Call a function of the user, and return its result.

    Args:
        what: its name, for the message.
        function, args, kwargs: the call.

    Raises:
        BadRecipe: it failed in a way that is not hwcost's own; the message gives the cause and the user's line.
    """
    try:
        return function(*args, **kwargs)
    except HwcostError:
        raise
    except (Exception, SystemExit) as error:  # a user's function may fail in any way at all
        raise BadRecipe(f"{what} failed: {told(error)}") from error


def built(where: str, found: object) -> nn.Module:
    """The network that a name leads to: a module itself, or what a class or a function without arguments makes.

    Raises:
        BadOption: neither, or one that needs arguments. BadRecipe: the call failed.
    """
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise BadOption(
            f"{where}: a {type(found).__name__}, not a function that returns a network; name such a function"
        )
    if needed := _needed(found):
        raise BadOption(
            f"{where}: needs {', '.join(needed)}; name a function without arguments that returns the network, e.g. "
            f"def build(): return {getattr(found, '__name__', 'Net')}(...)"
        )
    net = ask(where, found)
    if not isinstance(net, nn.Module):
        raise BadOption(f"{where}: returned {type(net).__name__}, not a torch.nn.Module; return the network")
    return net


def _needed(function: Callable[..., object]) -> list[str]:
    """Names of the arguments without which a function cannot be called."""
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        known = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # what is written in C has no signature
        return []
    return [one.name for one in known if one.default is one.empty and one.kind not in many]


def told(error: BaseException) -> str:
    """Text of an error with the innermost line of the user's own code."""
    libraries = (Path(torch.__file__).parent, Path(__file__).parents[1], Path(importlib.__file__).parent)
    lines = [
        f" ({frame.filename}:{frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and not any(Path(frame.filename).is_relative_to(library) for library in libraries)
    ]
    return f"{type(error).__name__}: {error}" + "".join(lines[-1:])


def finite(value: object) -> TypeGuard[float]:
    """Whether a value is a number that a float can hold; True is none."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:
        return False


def positive(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return finite(value) and value > 0
