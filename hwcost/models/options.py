"""Choices that a designer makes for all layers at once, or layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
