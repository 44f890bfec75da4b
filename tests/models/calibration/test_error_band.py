"""The error bands are what the page of published rows says."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path

import pandas as pd
import pytest

from hwcost.models.calibration.error_band import BANDS, bands
from hwcost.models.shell import shell

PAGE = Path(__file__).parents[3] / "reports" / "calibration" / "published.md"


def rows(title: str) -> list[list[str]]:
    """The cells of the table of a section."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def number(cell: str) -> float:
    return float(cell.split(" ")[0].replace(",", ""))


def ratios(name: str) -> list[float]:
    """Measured / estimated."""
    if name == "cycles":
        return [number(row[4]) / number(row[3]) for row in rows("Frames per second") if "DMA" not in row[6]]
    if name == "latency_cycles":
        return [number(row[2]) / number(row[3]) for row in rows("Latency of one frame")]
    measured, ours = {"LUT": (2, 3), "FF": (5, 6), "BRAM18": (7, 8)}[name]
    return [number(row[measured]) / number(row[ours]) for row in rows("Whole networks")]


@pytest.mark.parametrize("name", BANDS)
def test_a_band_is_the_range_of_the_page_rounded_outwards(name: str) -> None:
    seen = ratios(name)
    assert len(seen) >= 3
    assert BANDS[name].low == floor(min(seen) * 100) / 100
    assert BANDS[name].high == ceil(max(seen) * 100) / 100


@pytest.mark.parametrize("name", ["LUT", "FF", "BRAM18"])
def test_a_band_of_ecp5_is_the_range_of_its_networks(name: str) -> None:
    table = pd.read_csv(PAGE.parent / "ecp5-networks.csv")
    seen = (table[f"{name}_built"] / table[name]).tolist()
    band = bands("MULT18X18D")[name]
    assert len(seen) >= 5 and (band.low, band.high) == (floor(min(seen) * 100) / 100, ceil(max(seen) * 100) / 100)
    assert bands("DSP48E2") is BANDS


def test_the_shell_closes_the_design_it_is_derived_from() -> None:
    (row,) = [row for row in rows("Whole networks") if row[0] == "bnn-pynq/lfcW1A1"]
    pynq = shell(row[1])
    for area, measured, ours in (("LUT", 2, 3), ("FF", 5, 6), ("BRAM18", 7, 8)):
        missing = number(row[measured]) - (number(row[ours]) - getattr(pynq, area))
        assert getattr(pynq, area) == (missing if area == "BRAM18" else round(missing, -2))
