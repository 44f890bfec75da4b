"""The parts and boards that a network can be built on."""

import csv
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from hwcost.errors import UnknownDevice
from hwcost.models.amounts import whole

USABLE = {"LUT": 0.70, "FF": 0.50, "DSP": 0.80, "BRAM18": 0.80, "URAM": 0.80, "LUTRAM": 0.70}
"""Fraction of each resource that place and route can usually fill. Source: recommended limits in FINN's
util/platforms.py (dev 73ba5ed), which has none for LUTRAM: it shares that of LUT."""


BETWEEN = r"[-_\s]"
"""Marks that people write between the words of a name, or leave out."""

PACKAGE = re.compile(r"(-\d)?-?[a-z]{2,4}\d{3,4}\D?(-.*)?")
"""Package and speed grade behind a die in a part number, as tools write them or as they are ordered: clg400-1,
-1clg400c, -ffvc1156-2-e, -6bg381c."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA part, as the data sheet counts it.

    Attributes:
        name: name of the board, or of the die.
        aliases: further names that `device()` accepts.
        part: full part number.
        family: marketing name of the family.
        LUT, FF, BRAM18, URAM, DSP: what is on the die; LUTs have six inputs, those of ECP5 four. BRAM18 in 18-kbit
            blocks (ECP5: DP16KD).
        LUTRAM: those of the LUTs that can be RAM (Xilinx: or shift registers), in slices of type M; a ROM can be in
            any.
        dsp_kind: "DSP48E1", "DSP48E2" or "DSP58"; "MULT18X18D" on ECP5.
        source: where the figures come from.
        unconfirmed: resources whose figure has not been checked against a public document.
    """

    name: str
    aliases: tuple[str, ...] = ()
    part: str
    family: str
    LUT: int
    LUTRAM: int
    FF: int
    BRAM18: int
    URAM: int
    DSP: int
    dsp_kind: str
    source: str
    unconfirmed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for resource in USABLE:
            object.__setattr__(self, resource, whole(f"{self.name}: {resource}", getattr(self, resource), 0))  # frozen

    @property
    def capacity(self) -> dict[str, int]:
        """Amounts on the die, by resource."""
        return {resource: getattr(self, resource) for resource in USABLE}

    @property
    def usable(self) -> dict[str, float]:
        """Amounts that a design should not exceed, by resource; see USABLE."""
        return {resource: amount * USABLE[resource] for resource, amount in self.capacity.items()}

    @property
    def uram_has_contents(self) -> bool:
        """Whether URAM can be filled by the bitstream. Source: AM007 (Versal can); UG573 (UltraScale+ cannot)."""
        return self.dsp_kind == "DSP58"

    @property
    def doubts(self) -> tuple[str, ...]:
        """Caveats that an estimate on this part should repeat."""
        names = ", ".join(self.unconfirmed)
        return (f"{self.name}: figures not checked against a public document: {names}",) if names else ()

    @property
    def die(self) -> str:
        """The part number without package and speed grade, e.g. xc7z020 or LFE5U-85F."""
        numbered = re.match(r"xc7[a-z]+\d+[ts]?|LFE5UM?(5G)?-\d+F", self.part)  # no dash behind it, or one within
        return numbered[0] if numbered else self.part.split("-", maxsplit=1)[0]


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
                LUTRAM=int(row["LUTRAM"]),
                FF=int(row["FF"]),
                BRAM18=int(row["BRAM18"]),
                URAM=int(row["URAM"]),
                DSP=int(row["DSP"]),
                dsp_kind=row["dsp_kind"],
                source=row["source"],
                unconfirmed=tuple(row["unconfirmed"].split()),
            )
        )
    return tuple(found)


def device(name: str) -> Device:
    """The part of that name.

    Args:
        name: board, die or part number, in any case, with or without its dashes and blanks: "PYNQ-Z1", "Zybo Z7-20",
            "xc7z020", "xc7z020clg400-1". A die of the table is
            found in any package, "xc7z020-2clg484i" for instance; the part then bears the name of its die.

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
    spelled = {re.sub(BETWEEN, "", alias): part for alias, part in reversed(known.items())}
    if (found := spelled.get(re.sub(BETWEEN, "", wanted))) is not None:
        return found
    for part in devices():
        package = wanted.removeprefix(part.die.lower())
        if package != wanted and PACKAGE.fullmatch(package):
            return replace(part, name=part.die, aliases=(), part=part.die + package)
    close = get_close_matches(wanted, known, n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(close)}?" if close else "`hwcost devices` lists what is."
    raise UnknownDevice(f"device {name!r} is not in the table; {hint} Or pass a Device(...)")
