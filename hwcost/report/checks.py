"""Checks of a study's record besides its numbers: a file edited by hand is an error here, not in a figure."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hwcost.errors import BadStudy

RESOURCES = ("LUT", "FF", "DSP", "BRAM18", "URAM", "LUTRAM")
COSTS = (*RESOURCES, "cycles")


class _Form(NamedTuple):
    """Form of an entry."""

    fits: Callable[[object], bool]
    wanted: str

    def check(self, where: str, value: object) -> None:
        if not self.fits(value):
            raise BadStudy(f"report: {where} is {value!r}; it must be {self.wanted}")


def _number(value: object) -> bool:
    """Whether a value is a finite number, or NaN if unknown."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not math.isinf(value)


def _amount(value: object) -> bool:
    return isinstance(value, int | float | np.number) and _number(value) and math.isfinite(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _several(value: object, fits: Callable[[object], bool], count: int | None = None) -> bool:
    return isinstance(value, list | tuple) and len(value) == (count or len(value)) and all(map(fits, value))


def _table(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, Mapping) and all(map(fits, value.values()))


_TEXT, _NUMBER, _AMOUNT = _Form(_text, "text"), _Form(_number, "a number"), _Form(_amount, "a number")
_AMOUNTS = _Form(lambda value: _table(value, _amount), "a table of numbers")
_NESTED = {
    "params": _Form(lambda value: isinstance(value, Mapping), "a table of parameters"),
    "budget": _AMOUNTS,
    "figures": _AMOUNTS,
    **dict.fromkeys(
        ("layers", "epochs", "repeats"),
        _Form(lambda value: isinstance(value, list) and _several(value, lambda one: isinstance(one, Mapping)),
              "a list of tables"),
    ),
}  # fmt: skip
_ENTRIES = {
    "layers": {
        "kind": _TEXT,
        **dict.fromkeys(("weight_bits", "input_bits", "activation_bits", "pe", "simd", *COSTS), _NUMBER),
    },
    "epochs": {
        **dict.fromkeys(("epoch", "loss", "accuracy"), _NUMBER),
        "widths": _Form(lambda value: isinstance(value, Mapping), "a table of widths"),
    },
    "repeats": dict.fromkeys(("accuracy", "test_accuracy", "seed"), _NUMBER),
}


def _part(value: object) -> bool:
    """Whether a value is the record of a further part."""
    if not isinstance(value, Mapping) or not _text(value.get("name")) or not _table(value.get("capacity"), _amount):
        return False
    points = value.get("front")
    counted = all(_amount(value.get(name)) for name in ("finished", "fitting"))
    return (
        counted
        and isinstance(points, list)
        and all(_table(point, _amount) and {"number", "accuracy", *RESOURCES} <= point.keys() for point in points)
    )


_RUN: Mapping[tuple[str, ...], _Form] = {
    ("parts",): _Form(lambda value: _several(value, _part), "a list of parts with their fronts"),
    ("trial_command",): _TEXT,
    ("commands",): _Form(lambda value: _table(value, _text), "a table of texts"),
    ("target_fps",): _AMOUNT,
    ("error_band",): _Form(
        lambda value: _table(value, lambda ends: _several(ends, _amount, 2)), "a table of pairs of numbers"
    ),
    ("bits",): _Form(lambda value: _several(value, _amount, 2), "a pair of numbers"),
    ("warm",): _AMOUNT,
    ("ramp",): _AMOUNT,
    ("limits",): _AMOUNTS,
    **{("float", name): _AMOUNT for name in ("validation", "test")},
    **{("device", name): _TEXT for name in ("name", "part")},
    ("device", "unconfirmed"): _Form(lambda value: _several(value, _text), "a list of texts"),
    **{("device", name): _AMOUNT for name in ("clock_mhz", *RESOURCES)},
    **{("data", name): _TEXT for name in ("name", "fingerprint")},
    **{("data", name): _AMOUNT for name in ("step", "train", "validation", "test")},
}


def check_details(run: Mapping[str, object]) -> None:
    """Refuse a run whose optional or nested entries have the wrong type."""
    for path, form in _RUN.items():
        value: object = run
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            form.check(f"run{''.join(f'[{key!r}]' for key in path)}", value)


def nested(name: str, number: object, value: Any) -> Any:
    """Entry of a trial in a column: a mapping, or of layers, epochs and repeats a list of mappings.

    Args:
        name: params, budget, figures, layers, epochs or repeats.
        number: of the trial, for the error.
        value: None or NaN where there is none.

    Raises:
        BadStudy: it is something else, or an entry of it has the wrong type.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return [] if name in _ENTRIES else {}
    _NESTED[name].check(f"trial {number}: {name}", value)
    for entry in value if name in _ENTRIES else ():
        where = f"trial {number}: {name}"
        if name == "layers":
            _Form(_text, "a name").check(f"{where}: layer", entry.get("layer"))
            where += f": {entry['layer']}"
        for key, form in _ENTRIES[name].items():
            if entry.get(key) is not None:
                form.check(f"{where}: {key}", entry[key])
        widths = entry.get("widths") if name == "epochs" else None
        for key, width in (widths or {}).items():
            if width is not None:
                _NUMBER.check(f"{where}: widths: {key}", width)
    return value
