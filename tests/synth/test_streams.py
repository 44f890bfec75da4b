"""Element-wise streams in RTL, at every width, with pauses on both sides."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from rtl_simulation import prove

from hwcost.models.calibration.corpus import Unit


@pytest.mark.parametrize("bits", range(1, 9))
def test_streams_at_every_width(bits: int) -> None:
    units = [
        Unit(kind="adder", input=f"UINT{bits}", output="INT4", pe=2),
        Unit(kind="pool", input=f"UINT{bits}", output=f"UINT{bits + 2}", structure="sum", geometry="2x2", pe=2),
        Unit(kind="pool", input=f"UINT{bits}", output=f"UINT{bits}", structure="max", geometry="2x2", pe=2),
        Unit(kind="saturate", input="INT9", output=f"UINT{bits}"),
        Unit(kind="window", input=f"UINT{bits}", structure="serial", geometry="2 5x5 3x3 1x1 1x1 0x0"),
        Unit(kind="constant", input=f"UINT{bits}", matrix="3 -5 0 7;0 0 0 0;-1 -2 6 1;1 16 0 0"),
    ]
    assert all(prove(unit, vectors=5) for unit in units)


@pytest.mark.parametrize(
    "unit",
    [
        Unit(kind="scale_bias", input="INT4", weight="INT3", output="INT8", structure="scale", pe=2),
        Unit(kind="scale_bias", input="UINT4", weight="INT3", output="INT9", structure="bias"),
        Unit(kind="saturate", input="INT7", output="NARROW3"),
        Unit(kind="saturate", input="UINT7", output="INT3", pe=3),
        Unit(kind="pool", input="INT3", output="INT7", structure="sum", geometry="3x2", pe=2, simd=6),
        Unit(kind="adder", input="INT4", output="UINT2"),
    ],
    ids=lambda unit: f"{unit.kind}-{unit.structure}-{unit.geometry}",
)
def test_factors_clips_and_whole_windows(unit: Unit) -> None:
    assert prove(unit)
