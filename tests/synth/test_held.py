"""Weights that arrive as a stream: each matrix is read as often as it must be, whatever pauses there are."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit


@pytest.mark.parametrize("structure", ["rows", "cols"])
@pytest.mark.parametrize(
    ("pe", "simd", "geometry"),
    [(1, 1, "2x3x1x2"), (2, 1, "4x3x2x4"), (3, 2, "6x4x2x6"), (2, 4, "2x4x1x3"), (1, 2, "5x4x3x3"), (4, 8, "16x8x4x8")],
)
def test_held_weights(structure: str, pe: int, simd: int, geometry: str) -> None:
    assert prove(Unit(kind="held", weight="INT3", pe=pe, simd=simd, structure=structure, geometry=geometry))
