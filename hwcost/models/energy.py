"""Energy of a frame: a rough figure from the published power of networks on a part of the same family."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

from immutabledict import immutabledict

from hwcost.errors import BadOption


@dataclass(frozen=True, kw_only=True)
class FrameEnergy:
    """Energy that the chip takes for one frame at full rate.

    Attributes:
        uj: microjoules.
        factor: it may be that many times more, or less.
        source: what it was fitted to.
    """

    uj: float
    factor: float
    source: str

    def record(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)


@cache
def constants() -> Mapping[str, Mapping[str, Any]]:
    """Constants by kind of DSP slice, which tells the family of a part: pJ per resource and cycle, and their rows."""
    return immutabledict(json.loads((files("hwcost.models") / "energy.json").read_text(encoding="utf-8")))


def has_energy(dsp_kind: str) -> bool:
    """Whether there are constants for parts with such DSP slices."""
    return dsp_kind in constants()


def frame_energy(amounts: Mapping[str, float], dsp_kind: str, *, activity: float = 1.0) -> FrameEnergy | None:
    """Energy of a frame: every LUT, block RAM and DSP takes its own in each cycle of the interval.

    Args:
        amounts: resource -> amount; "cycles" is the interval between two frames.
        dsp_kind: multiplier of the part, e.g. "DSP48E1".
        activity: how many times more often LUTs and DSPs toggle than in the networks that were measured, at least 0.
            What their rate was is not published; vendors' spreadsheets assume 12.5% of the cycles where nothing is
            known (AMD UG440).

    Returns:
        The energy; None for a family of which no power was found (only the 7 series has constants), and for a model
        that counts no LUTs or no cycles. Flip-flops, nets and clock are in the constant of the LUT. The share of every
        unit that waits for others is that of the measured networks.

    Raises:
        BadOption: an activity below 0, or not finite.

    Error: chip power of 6 binary networks, each left out of the fit in turn: estimated / measured 0.70 to 1.16, at the
        LUTs and block RAMs that were built. With the error of those amounts a factor of 2; wider codes were not
        measured. Of the DSP a factor of 3: none of the networks has one.
    Source: energy.json. Static power of the fabric is in the constants: a fit finds no share that does not grow with
        the area. Processor, board and memory off the chip are not.
    """
    if not isfinite(activity) or activity < 0:
        raise BadOption(f"activity={activity!r}: give a finite number of at least 0")
    found = constants().get(dsp_kind)
    if found is None or not {"LUT", "cycles"} <= amounts.keys():
        return None
    rates = {name: 1.0 if name == "BRAM18" else activity for name in found["pJ"]}
    parts = {name: 1e-6 * pj * rates[name] * amounts.get(name, 0.0) for name, pj in found["pJ"].items()}
    whole = sum(parts.values())
    most = sum(found["factor"][name] * part for name, part in parts.items())
    factor = most / whole if whole else max(found["factor"].values())
    return FrameEnergy(uj=whole * amounts["cycles"], factor=factor, source=found["source"])
