"""The fabric of each family of parts, as data for the laws: its LUTs, carry chains, memories and multipliers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from immutabledict import immutabledict

from hwcost.errors import BadOption

Ports = Sequence[tuple[int, int]]
"""(width in bits, depth in words) of a memory cell, geometry by geometry."""


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Building blocks of a family of parts.

    Attributes:
        family: as synthesizers name it, which keeps its units apart in a corpus.
        constants: whose constants its laws have: "" for those of coefficients.json, else coefficients_NAME.json.
        lut_inputs: of one LUT.
        carry_cell: bits of one carry cell, of which a chain takes whole ones; 1 where the highest bit of a sum is the
            carry, which takes no LUT.
        chain_end: LUTs where a carry enters a chain, or leaves it for other logic.
        joined_rows: whether the first carry chain of a multiplier makes both of the rows that it adds.
        ram_groups: smallest LUT RAM: for one address and for two, (bits, words) of a group, the shallowest first.
        ram_luts: LUTs of such a group.
        shifted: words that one LUT shifts; 0 where registers are chained.
        bram_ports: geometries of a block RAM of 18 kbit. uram_ports: of an UltraRAM, where a part has any.
        wide_port, narrow_port: bits of the two ports of a multiplier, both signed.
        wide_cut, narrow_cut: bits of an operand in each but its last piece, where it is wider than that port.
    """

    family: str
    constants: str = ""
    lut_inputs: int = 6
    carry_cell: int = 1
    chain_end: int = 0
    joined_rows: bool = False
    ram_groups: Mapping[int, Ports] = immutabledict({1: ((16, 32), (8, 64)), 2: ((14, 32), (7, 64))})
    ram_luts: int = 8
    shifted: int = 32
    bram_ports: Ports = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
    uram_ports: Ports = ((72, 4096),)
    wide_port: int
    narrow_port: int
    wide_cut: int
    narrow_cut: int

    @property
    def words(self) -> int:
        """Words of constants that one LUT holds, a bit each."""
        return int(2**self.lut_inputs)


VERSAL = "DSP58"
"""The slice that only Versal has; it tells the family of a part."""

FABRICS: Mapping[str, Fabric] = immutabledict(
    {
        "DSP48E1": Fabric(family="xc7", wide_port=25, narrow_port=18, wide_cut=17, narrow_cut=17),
        "DSP48E2": Fabric(family="xcup", wide_port=27, narrow_port=18, wide_cut=26, narrow_cut=17),
        VERSAL: Fabric(
            family="xcup",
            bram_ports=((9, 2048), (18, 1024), (36, 512)),
            uram_ports=((72, 4096), (36, 8192), (18, 16384), (9, 32768)),
            wide_port=27,
            narrow_port=24,
            wide_cut=26,
            narrow_cut=23,
        ),
        "MULT18X18D": Fabric(
            family="ecp5",
            constants="ecp5",
            lut_inputs=4,
            carry_cell=2,
            chain_end=2,
            joined_rows=True,
            ram_groups=immutabledict({1: ((4, 16),), 2: ((4, 16),)}),
            ram_luts=6,
            shifted=0,
            wide_port=18,
            narrow_port=18,
            wide_cut=17,
            narrow_cut=17,
        ),
    }
)
"""The fabric of a part, by the kind of its multiplier, which every part of a family shares.

Sources: memories, UG473, UG573 (table 1-10; chapter 2) and AM007; LUTs, UG474, UG574 and AM005; ports and the shifts of
the cascade, UG479, UG579 and AM004, the wide port as Yosys 0.70 cuts it. Versal is synthesized as UltraScale+, which is
the closest that an open synthesizer knows. ECP5: Lattice FPGA-DS-02012, FPGA-TN-02204 (memories) and FPGA-TN-02205
(sysDSP)."""


def fabric(kind: str) -> Fabric:
    """The fabric of parts with one kind of multiplier.

    Raises:
        BadOption: a kind without laws.
    """
    if kind not in FABRICS:
        raise BadOption(f"dsp_kind={kind!r}: no laws for such parts; choose one of {', '.join(FABRICS)}")
    return FABRICS[kind]


def multiplier_of(family: str) -> str:
    """The kind of multiplier of a family that synthesizers know.

    Raises:
        BadOption: an unknown family.

    >>> multiplier_of("xcup")
    'DSP48E2'
    """
    for kind, one in FABRICS.items():
        if one.family == family:
            return kind
    raise BadOption(f"family {family!r}: unknown; choose one of {', '.join({one.family for one in FABRICS.values()})}")
