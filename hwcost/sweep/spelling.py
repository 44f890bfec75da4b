"""Spelling of settings in files: the role and the flag of each, and its value as plain text, numbers and lists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hwcost.errors import BadOption
from hwcost.sweep.flag_texts import parse_bits, parse_limits, parse_parts


class Role(Enum):
    """The reach of a setting; declared once for each field of `Settings`."""

    STUDY = "study"
    """Part of the fingerprint as it is, unless it has its default: another value is another study."""
    RESOLVED = "resolved"
    """Part of the study, which is compared by what the setting makes of recipe and search, e.g. the part."""
    CALL = "call"
    """Matter of this call alone: how many trials it adds, on how many processes."""
    MACHINE = "machine"
    """Places on this machine; another machine of the same study has its own."""


@dataclass(frozen=True)
class Flag:
    """Name of a setting on the command line and in files, where it differs from that of its field."""

    name: str


@dataclass(frozen=True)
class Declared:
    """The declaration of a setting.

    Attributes:
        flag: its name on the command line and in files.
        role: its reach.
        types: of its value.
    """

    flag: str
    role: Role
    types: tuple[type, ...]


def declared_by(settings: type) -> dict[str, Declared]:
    """Map the fields of a dataclass to what their annotations declare."""
    found = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        annotated, *extras = get_args(hint)
        role = next(extra for extra in extras if isinstance(extra, Role))
        flag = next((extra.name for extra in extras if isinstance(extra, Flag)), name)
        kinds = get_args(annotated) if get_origin(annotated) not in (None, tuple, Mapping) else (annotated,)
        found[name] = Declared(flag, role, tuple(kind for kind in kinds if isinstance(kind, type)))
    return found


_READERS: Mapping[str, Callable[[Any], object]] = {
    "bits": parse_bits,
    "limits": parse_limits,
    "device": parse_parts,
    "out": Path,
    "data": Path,
}


def spelled(value: object) -> bool | int | float | str | list[str]:
    """Spell a value as its flag takes it."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return [f"{name}={int(most) if float(most).is_integer() else most!r}" for name, most in value.items()]
    if isinstance(value, tuple) and isinstance(value[0], str):
        return list(value)
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value)


def read(name: str, declared: Declared, value: object) -> Any:
    """Read the value of a field from its plain form.

    Raises:
        BadOption: it has another type or form.
    """
    wanted: tuple[type, ...] = tuple(kind for kind in declared.types if kind is not NoneType)
    if name in _READERS:
        wanted = {"limits": (list, tuple), "device": (str, list, tuple)}.get(name, (str,))
    elif float in wanted:
        wanted = (int, *wanted[::-1])
    texts = isinstance(value, list | tuple) and not all(isinstance(text, str) for text in value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted) or texts:
        kinds = " or ".join(kind.__name__ for kind in wanted)
        raise BadOption(f"setting {declared.flag} = {value!r}: give {kinds}")
    return _READERS[name](value) if name in _READERS else value
