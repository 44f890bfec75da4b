"""Texts that settings take: a range of widths, limits, a time."""

import re
from collections.abc import Collection, Sequence
from math import inf, nan

from hwcost.errors import BadOption


def parse_bits(text: str) -> tuple[int, int]:
    """Read the smallest and the largest width from LOW:HIGH.

    Raises:
        BadOption: it has another form.
    """
    try:
        low, high = (int(part) for part in text.split(":"))
    except ValueError as error:
        raise BadOption(f"bits {text!r}: give the smallest and the largest width, e.g. 2:8") from error
    return low, high


def parse_limits(texts: Collection[str]) -> dict[str, float]:
    """Read figure -> bound from FIGURE=BOUND, each figure once.

    Raises:
        BadOption: one has another form.
    """
    try:
        pairs = [(name, float(most)) for name, most in (text.split("=") for text in texts)]
    except ValueError as error:
        raise BadOption(f"limit {', '.join(texts)}: give FIGURE=BOUND, e.g. LUT=20000") from error
    if len(dict(pairs)) < len(pairs):
        raise BadOption(f"limit {', '.join(texts)}: a figure is limited twice; give one bound for each")
    return dict(pairs)


def parse_parts(given: str | Sequence[str]) -> str | tuple[str, ...]:
    """The name of a part, or the names of several.

    Raises:
        BadOption: none is named.
    """
    if not given:
        raise BadOption(f"device {given!r}: name a part or a board; `hwcost devices` lists them")
    return given if isinstance(given, str) else given[0] if len(given) == 1 else tuple(given)


def parse_time(given: str | float) -> float:
    """Read seconds from hours, minutes and seconds, e.g. 1h30m, 10m or 45s; a number alone is seconds.

    Raises:
        BadOption: it has another form, or is not above 0.
    """
    seconds = _seconds(given.strip()) if isinstance(given, str) else float(given)
    if not 0 < seconds < inf:
        raise BadOption(f"time {given!r}: give hours, minutes and seconds above 0, e.g. 1h30m, 10m or 45s")
    return seconds


def _seconds(text: str) -> float:
    """Seconds of a text; NaN for another form."""
    number = r"(\d+(?:\.\d*)?|\.\d+)"
    found = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", text)
    return (
        sum(each * float(part or 0) for each, part in zip((3600, 60, 1), found.groups(), strict=True)) if found else nan
    )
