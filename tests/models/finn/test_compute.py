"""FINN's estimates of its compute units, by hand where its own output covers nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hwcost.models.finn import node
from hwcost.models.finn.compute import packed

ZYNQ, VERSAL = "xc7z020clg400-1", "xcvc1902-vsva2197-2MP-e-S"


def unit(**changes: Any) -> dict[str, Any]:
    sizes = {"MW": 64, "MH": 16, "PE": 4, "SIMD": 8, "numInputVectors": [1, 7, 7]}
    types = {"inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT16"}
    return sizes | types | changes


def test_dsp58_depends_on_the_part() -> None:
    assert node("MVAU_rtl", unit(), ZYNQ)["DSP"] == 1 * 8
    assert node("MVAU_rtl", unit(), VERSAL)["DSP"] == 4 * 3
    assert node("MVAU_rtl", unit(), "xcvu9p-flga2104-2L-e")["DSP"] == 8  # Virtex, not Versal, in spite of its name


def test_weights_that_stream_in_cost_no_memory() -> None:
    outside = node("MVAU_hls", unit(mlo_max_iter=3), ZYNQ)
    assert outside["BRAM_18K"] == outside["URAM"] == 0 < node("MVAU_hls", unit(), ZYNQ)["BRAM_18K"]


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [
        (1, 16385, 2),
        (2, 8192, 1),
        (5, 2048, 1),
        (10, 2048, 2),
        (19, 1024, 2),
        (18, 1024, 1),
        (36, 512, 1),
        (36, 513, 2),
        (37, 512, 2),
    ],
)
def test_memories_as_finn_packs_them(width: int, depth: int, blocks: int) -> None:
    assert packed(width, depth) == blocks
