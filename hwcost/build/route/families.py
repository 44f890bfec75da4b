"""The families of parts that can be routed, and the tools of each."""

from collections.abc import Callable, Mapping

from immutabledict import immutabledict

from hwcost.build.route import ecp5
from hwcost.build.route.flow import Netlist, Router, Synthesizer
from hwcost.errors import BadOption
from hwcost.models.device import Device, devices

FAMILIES: Mapping[str, Callable[[str | None], tuple[Synthesizer, Router]]] = immutabledict({"ECP5": ecp5.tools})
"""Family of the device table -> its tools, given the name of a Yosys or None."""

ROOMY = 0.5
"""Part of a die that a design may fill where the part is chosen for it: above, nextpnr takes hours now and then."""


def tools_of(device: Device, yosys: str | None = None) -> tuple[Synthesizer, Router]:
    """The synthesizer and the router of a part.

    Args:
        device: the part.
        yosys: name of a Yosys; None takes the best.

    Raises:
        BadOption: a part whose family has no open router. MissingSynthesizer, MissingRouter: how to install them.
    """
    if device.family not in FAMILIES:
        raise BadOption(
            f"--route: {device.name} ({device.family}) has no open router; give --route-device with a part of "
            f"{', '.join(FAMILIES)}: {', '.join(part.name for part in devices() if part.family in FAMILIES)}"
        )
    return FAMILIES[device.family](yosys)


def smallest(netlist: Netlist, family: str, router: Router) -> Device:
    """The smallest part of a family of which a netlist fills at most half; the largest where it fits none so.

    Args:
        netlist: of that family.
        family: of the device table.
        router: tells the pins of a package.
    """
    parts = sorted((part for part in devices() if part.family == family), key=lambda part: part.LUT)
    for part in parts:
        roomy = all(netlist.amounts[area] <= ROOMY * part.capacity[area] for area in ("LUT", "FF", "BRAM18", "DSP"))
        if roomy and netlist.amounts["pins"] <= router.pins(part):
            return part
    return parts[-1]
