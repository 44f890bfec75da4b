"""Checks of a study's record besides its numbers: a file edited by hand is an error here, not in a figure."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from hwcost.errors import BadStudy

RESOURCES = ("LUT", "FF", "DSP", "BRAM18", "URAM", "LUTRAM")
COSTS = (*RESOURCES, "cycles")

_LAYER_TEXTS = ("kind",)
_LAYER_NUMBERS = ("weight_bits", "input_bits", "activation_bits", "pe", "simd", *COSTS)


def check_details(run: Mapping[str, object]) -> None:
    """Refuse a run whose optional or nested entries have the wrong type."""
    for path, fits, wanted in _DETAILS:
        value: object = run
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None and not fits(value):
            raise BadStudy(f"report: run{''.join(f'[{key!r}]' for key in path)} is {value!r}; it must be {wanted}")


def nested(name: str, number: object, value: object) -> Any:
    """Entry of a trial in a column: params and budget are mappings, layers, epochs and repeats lists of mappings.

    Args:
        name: params, budget, layers, epochs or repeats.
        number: of the trial, for the error.
        value: None or NaN where there is none.

    Raises:
        BadStudy: it is something else, or an entry of it has the wrong type.
    """
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    if name in ("params", "budget"):
        if missing or (isinstance(value, Mapping) and (name == "params" or _amounts(value))):
            return {} if missing else value
        raise _wrong(number, name, value, "a table of parameters" if name == "params" else "a table of numbers")
    if missing:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise _wrong(number, name, value, "a list of tables")
    for entry in value:
        {"layers": _check_layer, "epochs": _check_epoch, "repeats": _check_repeat}[name](number, entry)
    return value


def _check_layer(number: object, entry: Mapping[str, object]) -> None:
    if not isinstance(entry.get("layer"), str):
        raise _wrong(number, "layers: layer", entry.get("layer"), "a name")
    _check(number, f"layers: {entry['layer']}", entry, _LAYER_TEXTS, _text, "text")
    _check(number, f"layers: {entry['layer']}", entry, _LAYER_NUMBERS, _number, "a number")


def _check_epoch(number: object, entry: Mapping[str, object]) -> None:
    _check(number, "epochs", entry, ("epoch", "loss", "accuracy"), _number, "a number")
    widths = entry.get("widths")
    if widths is not None and not isinstance(widths, Mapping):
        raise _wrong(number, "epochs: widths", widths, "a table of widths")
    _check(number, "epochs: widths", widths or {}, widths or (), _number, "a number")


def _check_repeat(number: object, entry: Mapping[str, object]) -> None:
    _check(number, "repeats", entry, ("accuracy", "test_accuracy"), _number, "a number")
    _check(number, "repeats", entry, ("seed",), _number, "a number")


def _check(
    number: object,
    where: str,
    entry: Mapping[str, object],
    names: Iterable[str],
    fits: Callable[[object], bool],
    wanted: str,
) -> None:
    for name in names:
        if entry.get(name) is not None and not fits(entry[name]):
            raise _wrong(number, f"{where}: {name}", entry[name], wanted)


def _wrong(number: object, where: str, value: object, wanted: str) -> BadStudy:
    return BadStudy(f"report: trial {number}: {where} is {value!r}; it must be {wanted}")


def _number(value: object) -> bool:
    """Whether a value is a finite number, or NaN if unknown."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not math.isinf(value)


def _amount(value: object) -> bool:
    return isinstance(value, int | float | np.number) and _number(value) and math.isfinite(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_text, value))


def _bands(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(ends, list | tuple) and len(ends) == 2 and all(map(_amount, ends)) for ends in value.values()
    )


def _span(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_amount, value))


def _amounts(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_amount, value.values()))


_DETAILS: tuple[tuple[tuple[str, ...], Callable[[object], bool], str], ...] = (
    (("trial_command",), _text, "text"),
    (("target_fps",), _amount, "a number"),
    (("error_band",), _bands, "a table of pairs of numbers"),
    (("bits",), _span, "a pair of numbers"),
    (("warm",), _amount, "a number"),
    (("ramp",), _amount, "a number"),
    (("limits",), _amounts, "a table of numbers"),
    (("float", "validation"), _amount, "a number"),
    (("float", "test"), _amount, "a number"),
    (("device", "name"), _text, "text"),
    (("device", "part"), _text, "text"),
    (("device", "unconfirmed"), _texts, "a list of texts"),
    *((("device", name), _amount, "a number") for name in ("clock_mhz", *RESOURCES)),
    (("data", "name"), _text, "text"),
    (("data", "fingerprint"), _text, "text"),
    *((("data", name), _amount, "a number") for name in ("step", "train", "validation", "test")),
)
