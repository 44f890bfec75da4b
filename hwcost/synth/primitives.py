"""The primitives of each family: how it is synthesized, and what every cell of a netlist takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from immutabledict import immutabledict

from hwcost.errors import BadOption
from hwcost.synth.memory import SWAPS


@dataclass(frozen=True, kw_only=True)
class Primitives:
    """One family as its synthesizer sees it.

    Attributes:
        passes: Yosys' commands for the circuit `top`, with {dsp} where an option forbids DSP blocks. Small products are
            never left to the tool: a unit is in DSP blocks where that was asked for, and in LUTs with the option else.
        chains: file in this folder that maps adders and multipliers to carry chains.
        luts, flip_flops, dsp, bram18, uram: kind of cell -> how many of them it takes.
        free: kinds of cell that take none of the resources counted here.
        chain: carry cell, its carry in and its carry out, where place and route has to add one at an end of a chain.
    """

    passes: str
    chains: str
    luts: Mapping[str, int]
    flip_flops: Mapping[str, int]
    dsp: Mapping[str, int]
    bram18: Mapping[str, int]
    uram: Mapping[str, int]
    free: tuple[str, ...]
    chain: tuple[str, str, str] | None = None

    @property
    def takes(self) -> Mapping[str, Mapping[str, int]]:
        """Resource -> kind of cell -> count."""
        return {"LUT": self.luts, "FF": self.flip_flops, "DSP": self.dsp, "BRAM18": self.bram18, "URAM": self.uram}


XILINX_LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "INV": 1,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}
"""LUT sites of a primitive. Source: UG953 and UG974, libraries guides of the 7 series and of UltraScale."""


def _xilinx(family: str) -> Primitives:
    return Primitives(
        passes=f"synth_xilinx -family {family} -noiopad {{dsp}}-flatten -top top",
        chains="carry_chains.v",
        luts=XILINX_LUTS,
        flip_flops=dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE"), 1),
        dsp=dict.fromkeys(("DSP48E1", "DSP48E2"), 1),
        bram18={"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2},
        uram={"URAM288": 1, "URAM288_BASE": 1},
        free=("BUFG", "BUFGCTRL", "CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9", "GND", "VCC", "$scopeinfo"),
    )


DELAY = "scratchpad -set abc9.D 10000"
"""Bound in ps within which logic takes the least area, see ECP5."""

ECP5 = Primitives(
    passes=f"{DELAY}; "
    f"setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i r:MEMID=*{SWAPS}* %d; "
    "synth_ecp5 {dsp}-top top",
    chains="carry_chains_ecp5.v",
    luts={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    flip_flops={"TRELLIS_FF": 1},
    dsp={"MULT18X18D": 1},
    bram18={"DP16KD": 1, "PDPW16KD": 1},
    uram={},
    free=("PFUMX", "L6MUX21", "GND", "VCC", "$scopeinfo"),
    chain=("CCU2C", "CIN", "COUT"),
)
"""Lattice ECP5, counted in LUT4 as nextpnr 0.11 reports TRELLIS_COMB. A carry cell is two of them, and a chain begins
with one more cell where a carry enters and ends with one where it leaves; a distributed RAM is four, and its write port
blocks two; the multiplexers of a slice are free.

Logic is mapped to the least area within the 10,000 ps of 100 MHz: without it, Yosys takes up to six times the LUTs
for the last nanosecond. Where a word is read while it is replaced, a block RAM needs logic that gives the old one: it
is left out of memories that no unit asks that of. Source: utilisation reports of nextpnr on four units, met but for the
two drivers of constants."""

PRIMITIVES: Mapping[str, Primitives] = immutabledict({"xcup": _xilinx("xcup"), "xc7": _xilinx("xc7"), "ecp5": ECP5})


def primitives(family: str) -> Primitives:
    """The primitives of a family.

    Raises:
        BadOption: a family that no synthesizer here knows.
    """
    if family not in PRIMITIVES:
        raise BadOption(f"family {family!r}: no synthesizer here knows it; choose one of {', '.join(PRIMITIVES)}")
    return PRIMITIVES[family]
