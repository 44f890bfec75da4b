"""FINN's estimates equal those of FINN, row by row."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

from hwcost.models.finn import OPERATIONS, node

FIGURES = ("LUT", "DSP", "BRAM_18K", "URAM", "cycles")
ROWS = json.loads(gzip.decompress((Path(__file__).parent / "finn_rows.json.gz").read_bytes()))["rows"]
ZYNQ, VERSAL = "xc7z020clg400-1", "xcvc1902-vsva2197-2MP-e-S"


def test_every_row_of_finn() -> None:
    wrong = []
    for op, part, attributes, expected in ROWS:
        if node(op, attributes, part) != dict(zip(FIGURES, expected, strict=True)):
            wrong.append((op, attributes))
    assert not wrong
    counts = Counter(op for op, *_ in ROWS)
    assert len(ROWS) == 1000 and len(counts) == 7 and set(counts) <= set(OPERATIONS)


def unit(**changes: Any) -> dict[str, Any]:
    sizes = {"MW": 64, "MH": 16, "PE": 4, "SIMD": 8, "numInputVectors": [1, 7, 7]}
    types = {"inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT16"}
    return sizes | types | changes
