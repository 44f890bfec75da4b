"""Inverses in RTL compute what their tables say."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit


@pytest.mark.parametrize("structure", ["reciprocal", "rsqrt"])
@pytest.mark.parametrize("geometry", ["1x1 3x4", "1x7 0x1", "5x6 2x4", "255x4080 5x8", "1x4000 4x6", "3x70 9x10"])
def test_inverses(structure: str, geometry: str) -> None:
    assert prove(Unit(kind="inverse", structure=structure, geometry=geometry))
