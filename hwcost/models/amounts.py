"""Check every number that enters a hardware model: whole counts, positive quantities.

Each check takes the name of the argument and its value, which it returns, or refuses with a `BadOption` that names both
and the limit.
"""

from math import isfinite
from numbers import Integral, Real

from hwcost.errors import BadOption


def whole(option: str, value: object, least: int = 1) -> int:
    """Accept an integer of at least `least`; those of numpy count, truth values and floats do not."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise BadOption(f"{option}={value!r}: give a whole number of at least {least}")
    return int(value)


def positive(option: str, value: object, most: float | None = None) -> float:
    """Accept a finite number above 0 and up to `most`, of Python or numpy."""
    found = _finite(value)
    if found is None or found <= 0 or (most is not None and found > most):
        limit = "" if most is None else f", at most {most:g}"
        raise BadOption(f"{option}={value!r}: give a finite number; it must be above 0{limit}")
    return found


def at_least_zero(option: str, value: object) -> float:
    """Accept a finite number of at least 0, of Python or numpy."""
    found = _finite(value)
    if found is None or found < 0:
        raise BadOption(f"{option}={value!r}: give a finite number of at least 0")
    return found


def _finite(value: object) -> float | None:
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # an integer or a fraction beyond the floats
        return None
    return found if isfinite(found) else None
