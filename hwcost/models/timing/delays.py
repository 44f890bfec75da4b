"""Delays of the elements of a path, family by family: each with its source and its error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from immutabledict import immutabledict


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Constants of a family, in ns.

    Attributes:
        name: of the family.
        register: clock to output, setup, and the net in front of a register.
        level: a LUT and the net in front of it.
        chain: the way in and out of a carry chain, and the net in front of it.
        carry: a bit along a carry chain.
        block_ram: clock to output of a block RAM, beyond that of a register.
        dsp: a multiplier of a DSP slice without registers, with the net in front of it.
        load: each doubling of what the widest net of a path drives.
        margin: how many times the clock of the law a unit may reach; beyond, it is out of reach.
        source: where they come from.
        error: how wrong the clock is, and measured on what.
    """

    name: str
    register: float
    level: float
    chain: float
    carry: float
    block_ram: float
    dsp: float
    load: float
    margin: float
    source: str
    error: str


@cache
def families() -> Mapping[str, Delays]:
    """Constants by kind of DSP slice, which tells the family of a part."""
    table = json.loads((files("hwcost.models") / "timing.json").read_text(encoding="utf-8"))
    return immutabledict({kind: Delays(**row) for kind, row in table.items()})
