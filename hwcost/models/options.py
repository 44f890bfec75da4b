"""Choices that a designer makes for all layers at once, or layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from hwcost.errors import BadOption
from hwcost.models.formulas.memory import STYLES

MULTIPLIERS = ("lut", "dsp")
MEMORIES = ("auto", *STYLES)
THRESHOLDS = ("search", "parallel")
BANKS = ("shared", "per_pe")

PerLayer = str | Mapping[str, str]


def choice(option: str, value: PerLayer, allowed: Sequence[str]) -> None:
    """Check a choice.

    Raises:
        BadOption: names the option, the value and what is allowed.
    """
    for one in value.values() if isinstance(value, Mapping) else (value,):
        if one not in allowed:
            raise BadOption(f"{option}={one!r}: unknown; choose one of {', '.join(allowed)}")


def check_layers(option: str, value: object, known: Collection[str]) -> None:
    """Refuse an entry for a layer that does not exist: a misspelt name would leave the layer as it was.

    Args:
        option: name of the argument, for the message.
        value: name of a layer or unit -> choice; anything else is for all layers.
        known: names that exist.

    Raises:
        BadOption: names the entry, and the closest name that exists.
    """
    for name in value if isinstance(value, Mapping) else ():
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            remedy = f"do you mean {close[0]!r}?" if close else f"known names: {', '.join(known)}"
            raise BadOption(f"{option}[{name!r}]: the network has no such layer; {remedy}")


def chosen(value: PerLayer, option: str, layer: str) -> str:
    """The choice for one layer.

    Raises:
        BadOption: a mapping that does not name the layer.
    """
    if isinstance(value, str):
        return value
    if layer not in value:
        raise BadOption(f"{layer}: {option} names no choice for this layer; add {option}[{layer!r}]")
    return value[layer]
