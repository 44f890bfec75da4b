"""The picture of a routed design."""

from __future__ import annotations

import re

from routed import run

from hwcost.build.route.floorplan import COLORS, colors_of, floorplan
from hwcost.build.route.flow import Cell
from hwcost.models.device import device


def test_it_names_units_amounts_and_the_clock() -> None:
    text = floorplan(run(1, 60.0), device("ecp5-25k"), ["a", "b"], kind="svg").decode()
    words = re.sub(r"<[^>]*>", " ", text)
    assert "ECP5-25F: 1 LUT4 (0%), 1 FF (0%), 1 block RAM (2%), 0 DSP (0%); 60.0 MHz" in words
    assert "a: 1 LUT4, 2.8 ns of the slowest path" in words
    assert text.count(COLORS[0]) >= 2  # its tile and its line of the legend
    assert floorplan(run(1, 60.0), device("ecp5-25k"), ["a", "b"])[:4] == b"\x89PNG"


def test_the_largest_units_have_colours_of_their_own() -> None:
    from dataclasses import replace

    cells = tuple(Cell(f"u{unit}", "LUT", unit, at) for unit in range(10) for at in range(unit + 1))
    colors = colors_of(replace(run(1, 60.0), cells=cells), [f"u{unit}" for unit in range(10)])
    assert colors == dict(zip([f"u{unit}" for unit in range(3, 10)], COLORS, strict=True))
