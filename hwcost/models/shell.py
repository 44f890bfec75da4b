"""The shell that a board adds around a pipeline: processor interface, DMA, clocking."""

from dataclasses import dataclass, field

from hwcost.errors import BadOption


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The allowance for everything on the part that is no layer.

    Attributes:
        name: of the platform.
        LUT, FF, DSP, BRAM18, URAM, LUTRAM: what it takes.
        source: where the figures come from, and how wrong they are.
    """

    name: str
    LUT: int
    FF: int
    DSP: int
    BRAM18: int
    URAM: int = 0
    LUTRAM: int = 0
    source: str = field(repr=False)

    def __repr__(self) -> str:
        taken = [(name, getattr(self, name)) for name in ("LUT", "FF", "DSP", "BRAM18", "URAM", "LUTRAM")]
        return f"Shell({', '.join([self.name, *(f'{name} {amount:,}' for name, amount in taken if amount)])})"


SHELLS = (
    Shell(name="none", LUT=0, FF=0, DSP=0, BRAM18=0, source="out of context: the pipeline alone"),
    Shell(
        name="pynq",
        LUT=4600,
        FF=15300,
        DSP=4,
        BRAM18=12,
        source="LFC-W1A1 of BNN-PYNQ on xc7z020 (28,360 LUT, 33,470 FF, 4 DSP, 220 BRAM18) less its units and links, "
        "to the nearest hundred of LUT and FF, so with the bus that writes its weights; one design, published without "
        "its LUTRAM, which is left out. Whole networks: "
        "reports/calibration/published.md",
    ),
)


def shell(name: str) -> Shell:
    """The allowance of a platform.

    Args:
        name: "none" or "pynq".

    Raises:
        BadOption: unknown name; lists the known ones.

    Error: whole networks with "pynq": reports/calibration/published.md.

    >>> shell("pynq").BRAM18
    12
    """
    for one in SHELLS:
        if one.name == name:
            return one
    raise BadOption(f"shell {name!r}: unknown; choose one of {', '.join(one.name for one in SHELLS)}")
