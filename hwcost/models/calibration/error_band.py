"""Error bands of an estimate: measured / estimated on whole published networks."""

from collections.abc import Mapping
from dataclasses import dataclass

from immutabledict import immutabledict

from hwcost.models.formulas.fabric import FABRICS


@dataclass(frozen=True)
class Band:
    """The range of measured / estimated.

    Attributes:
        low, high: smallest and largest ratio.
        source: on what it was seen.
    """

    low: float
    high: float
    source: str

    def around(self, amount: float) -> tuple[float, float]:
        """The least and the most that an estimate may turn out to be."""
        return amount * self.low, amount * self.high


_NETWORKS = (
    "7 published networks (5 BNN-PYNQ with their shell, 2 FINN out of context), HLS, xc7z020; "
    "reports/calibration/published.md. The same design differs by 9% between tool versions"
)

BANDS: Mapping[str, Band] = immutabledict(
    {
        "LUT": Band(0.93, 1.26, _NETWORKS),
        "FF": Band(1.00, 1.21, _NETWORKS),
        "BRAM18": Band(0.93, 1.21, _NETWORKS),
        "cycles": Band(
            1.00, 1.04, "frames/s of 3 published networks that no DMA holds up; reports/calibration/published.md"
        ),
        "latency_cycles": Band(
            1.00, 1.20, "one simulated network and 3 on boards, driver included; reports/calibration/published.md"
        ),
    }
)
"""Error bands of AMD's parts by resource. DSP and URAM are counted from structure and have no published network to
compare with."""

_ECP5 = "9 whole networks, synthesized for ECP5; reports/calibration/ecp5.md"

ECP5_BANDS: Mapping[str, Band] = immutabledict(
    {
        "LUT": Band(0.98, 1.03, _ECP5),
        "FF": Band(1.00, 1.02, _ECP5),
        "BRAM18": Band(1.00, 1.00, _ECP5),
    }
)
"""Error bands of Lattice ECP5 by resource. No DSP, and no cycles, of whole networks were measured."""

FAMILY_BANDS: Mapping[str, Mapping[str, Band]] = immutabledict({"": BANDS, "ecp5": ECP5_BANDS})
"""Name of the constants that a family has -> its bands."""


def bands(kind: str) -> Mapping[str, Band]:
    """Error bands of parts with one kind of multiplier; empty where no whole network was measured."""
    return FAMILY_BANDS.get(FABRICS[kind].constants, immutabledict())
