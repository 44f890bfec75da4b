"""Attributes of a FINN node, read with FINN's own names, defaults and data types."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from hwcost.errors import BadFolding, BadOption


@dataclass(frozen=True)
class DataType:
    """A FINN data type.

    Attributes:
        bits: width of its code.
        signed: whether it has values below zero.
    """

    bits: int
    signed: bool


_NAMED = {"BIPOLAR": DataType(1, True), "BINARY": DataType(1, False), "TERNARY": DataType(2, True)}
_INTEGER = re.compile(r"(U?)INT(\d+)")

DEFAULTS: Mapping[str, str | int] = {
    "resType": "lut",
    "mem_mode": "internal_decoupled",
    "ram_style": "auto",
    "ram_style_thresholds": "auto",
    "accDataType": "INT32",
    "noActivation": 0,
    "mlo_max_iter": 0,
    "depth_trigger_bram": 0,
    "depth_trigger_uram": 0,
    "uniform_thres": 0,
    "depthwise": 0,
    "parallel_window": 0,
    "impl_style": "rtl",
    "BatchSize": 1,
}
"""FINN's defaults (dev 73ba5ed) of the attributes that an estimate reads."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "resType": ("auto", "lut", "dsp"),
    "mem_mode": ("internal_embedded", "internal_decoupled", "external"),
    "ram_style": ("auto", "block", "distributed", "ultra"),
    "ram_style_thresholds": ("auto", "block", "distributed"),
    "impl_style": ("rtl", "vivado"),
}


class Node:
    """One FINN node: its operation, attributes and part. Attributes that no estimate reads are ignored.

    Raises:
        BadOption: a missing attribute, a value of the wrong type, or a name that looks like a slip of one that is read.
    """

    def __init__(self, op: str, attributes: Mapping[str, object], part: str, known: Sequence[str]) -> None:
        self.op = op
        self.part = part.lower()
        self._attributes = attributes
        read = [name for name in known if name not in attributes]
        for name in attributes:
            if name not in known and (close := get_close_matches(name, read, n=1, cutoff=0.85)):
                raise BadOption(f"{op}: unknown attribute {name!r}; did you mean {close[0]!r}?")

    def _value(self, name: str) -> object:
        if name in self._attributes:
            return self._attributes[name]
        if name in DEFAULTS:
            return DEFAULTS[name]
        raise BadOption(f"{self.op}: attribute {name!r} is missing")

    def number(self, name: str) -> int:
        """A whole number."""
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadOption(f"{self.op}: {name}={value!r} must be a whole number")
        return value

    def numbers(self, name: str) -> list[int]:
        """A list of whole numbers; FINN also writes a single one for a list of one."""
        value = self._value(name)
        values = [value] if isinstance(value, int) else value
        if not isinstance(values, Sequence) or not all(isinstance(v, int) for v in values):
            raise BadOption(f"{self.op}: {name}={value!r} must be a list of whole numbers")
        return list(values)

    def pair(self, name: str) -> tuple[int, int]:
        """Two whole numbers: height and width."""
        values = self.numbers(name)
        if len(values) != 2:
            raise BadOption(f"{self.op}: {name}={values} must have two elements, height and width")
        return values[0], values[1]

    def choice(self, name: str) -> str:
        """One of the values that FINN allows."""
        value = self._value(name)
        if value not in CHOICES[name]:
            raise BadOption(f"{self.op}: {name}={value!r}; choose one of {', '.join(CHOICES[name])}")
        return str(value)

    def type(self, name: str) -> DataType:
        """A data type: BIPOLAR, BINARY, TERNARY, INTn or UINTn."""
        value = self._value(name)
        if isinstance(value, str):
            if value in _NAMED:
                return _NAMED[value]
            if (match := _INTEGER.fullmatch(value)) and int(match[2]) > 0:
                return DataType(int(match[2]), not match[1])
        raise BadOption(f"{self.op}: {name}={value!r}; use BIPOLAR, BINARY, TERNARY, INTn or UINTn")

    def fold(self, size: str, parallel: str) -> int:
        """size / parallel, which must divide it."""
        whole, part = self.number(size), self.number(parallel)
        if part < 1 or whole % part:
            raise BadFolding(f"{self.op}: {parallel}={part} does not divide {size}={whole}")
        return whole // part

    @property
    def vectors(self) -> int:
        """Vectors per inference."""
        return prod(self.numbers("numInputVectors"))

    @property
    def versal(self) -> bool:
        """Whether the part has DSP58 slices."""
        return self.part.startswith(("xcvc", "xcve", "xcvm", "xcvp", "xcvh", "xcv80", "xqvc", "xqvm", "xqrvc"))


@dataclass(frozen=True)
class Figures:
    """FINN's estimate of one node; what an operation does not estimate is 0 there."""

    LUT: int = 0
    DSP: int = 0
    BRAM_18K: int = 0
    URAM: int = 0
    cycles: int = 0


def cdiv(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)
