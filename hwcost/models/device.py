"""The parts and boards that a network can be built on."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from hwcost.errors import UnknownDevice
from hwcost.models.amounts import whole

USABLE = {"LUT": 0.70, "FF": 0.50, "DSP": 0.80, "BRAM18": 0.80, "URAM": 0.80}
"""Fraction of each resource that place and route still digests. Source: recommended limits in FINN's util/platforms.py
(dev 73ba5ed)."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA part, as the data sheet counts it.

    Attributes:
        name: name of the board, or of the die.
        aliases: further names that `device()` accepts.
        part: full part number.
        family: marketing name of the family.
        LUT, FF, BRAM18, URAM, DSP: what is on the die; BRAM18 in 18-kbit blocks.
        dsp_kind: "DSP48E1", "DSP48E2" or "DSP58".
        source: where the figures come from, and how sure they are.
    """

    name: str
    aliases: tuple[str, ...] = ()
    part: str
    family: str
    LUT: int
    FF: int
    BRAM18: int
    URAM: int
    DSP: int
    dsp_kind: str
    source: str

    def __post_init__(self) -> None:
        for resource in USABLE:
            object.__setattr__(self, resource, whole(f"{self.name}: {resource}", getattr(self, resource), 0))  # frozen

    @property
    def capacity(self) -> dict[str, int]:
        """What is on the die, by resource."""
        return {"LUT": self.LUT, "FF": self.FF, "DSP": self.DSP, "BRAM18": self.BRAM18, "URAM": self.URAM}

    @property
    def usable(self) -> dict[str, float]:
        """What a design should fill at most, by resource; see USABLE."""
        return {resource: amount * USABLE[resource] for resource, amount in self.capacity.items()}

    @property
    def die(self) -> str:
        """The part number without package and speed grade, e.g. xc7z020."""
        stem = self.part.split("-", maxsplit=1)[0]
        return re.sub(r"(clg|ffg|csg)\d+$", "", stem)  # 7-series writes the package without a dash


@cache
def devices() -> tuple[Device, ...]:
    """Every part in the table."""
    table = (files("hwcost.models") / "devices.csv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(table.splitlines()):
        name, *aliases = row["names"].split()
        found.append(
            Device(
                name=name,
                aliases=tuple(aliases),
                part=row["part"],
                family=row["family"],
                LUT=int(row["LUT"]),
                FF=int(row["FF"]),
                BRAM18=int(row["BRAM18"]),
                URAM=int(row["URAM"]),
                DSP=int(row["DSP"]),
                dsp_kind=row["dsp_kind"],
                source=row["source"],
            )
        )
    return tuple(found)


def device(name: str) -> Device:
    """The part of that name.

    Args:
        name: board, die or full part number, in any case: "PYNQ-Z1", "xc7z020", "xc7z020clg400-1".

    Raises:
        UnknownDevice: not in the table; the message lists close names, or says where all are.

    >>> device("pynq-z1").LUT == device("xc7z020").LUT == 53200
    True
    """
    wanted = name.strip().lower()
    known: dict[str, Device] = {}
    for part in devices():
        for alias in (part.name, *part.aliases, part.part, part.die):
            known.setdefault(alias.lower(), part)
    if wanted in known:
        return known[wanted]
    close = get_close_matches(wanted, known, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(close)}?" if close else "`hwcost devices` lists what is."
    raise UnknownDevice(f"device {name!r} is not in the table; {hint} Or pass a Device(...)")
