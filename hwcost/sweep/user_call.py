"""Calls of functions that users wrote, and numbers that they return."""

import importlib
import traceback
from collections.abc import Callable
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import ParamSpec, TypeGuard, TypeVar

import torch

from hwcost.errors import BadRecipe, HwcostError

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
