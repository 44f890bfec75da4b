"""Thresholds in tables of constants: in memories of every kind, with codes that rise and that fall."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.threshold_tables import random_steps


@pytest.mark.parametrize("structure", ["search table", "parallel table"])
@pytest.mark.parametrize(("channels", "pe", "inputs"), [(1, 1, "UINT5"), (6, 2, "INT6"), (66, 1, "INT5")])
def test_a_number_passes_as_many_as_it_reaches(structure: str, channels: int, pe: int, inputs: str) -> None:
    unit = Unit(kind="thresholds", input=inputs, output="UINT2", pe=pe, structure=structure, geometry=str(channels))
    assert prove(unit)


def test_thresholds_are_drawn_once_for_all_and_rise() -> None:
    unit = Unit(kind="thresholds", input="INT6", output="UINT3", structure="search table", geometry="40")
    steps, again = random_steps(unit), random_steps(unit)
    assert bool((steps.steps == again.steps).all()) and bool((steps.steps.diff(dim=1) >= 0).all())
    assert 0 < int(steps.falls.sum()) < 40
