"""FINN's estimates: equal to FINN, row by row; and what FINN's output does not cover, by hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hwcost.errors import BadFolding, BadOption, UnknownOperation
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


def test_defaults_are_those_of_finn() -> None:
    explicit = {"resType": "lut", "mem_mode": "internal_decoupled", "ram_style": "auto", "accDataType": "INT32"}
    assert node("MVAU_hls", unit(), ZYNQ) == node("MVAU_hls", unit(**explicit), ZYNQ)


def test_dsp58_depends_on_the_part() -> None:
    assert node("MVAU_rtl", unit(), ZYNQ)["DSP"] == 1 * 8
    assert node("MVAU_rtl", unit(), VERSAL)["DSP"] == 4 * 3
    assert node("MVAU_rtl", unit(), "xcvu9p-flga2104-2L-e")["DSP"] == 8  # Virtex, not Versal, in spite of its name


def test_weights_that_stream_in_cost_no_memory() -> None:
    outside = node("MVAU_hls", unit(mlo_max_iter=3), ZYNQ)
    assert outside["BRAM_18K"] == outside["URAM"] == 0 < node("MVAU_hls", unit(), ZYNQ)["BRAM_18K"]


def test_fifo_with_the_defect_of_dev() -> None:
    attributes = {"depth": 32, "folded_shape": [1, 8, 16], "dataType": "UINT4"}
    assert node("StreamingFIFO_rtl", attributes, ZYNQ) == {"LUT": 10, "DSP": 0, "BRAM_18K": 2, "URAM": 1, "cycles": 0}
    deep = node("StreamingFIFO_rtl", attributes | {"depth": 600, "impl_style": "vivado"}, ZYNQ)
    assert deep["BRAM_18K"] == 4  # 1024 words of 64 bits


WINDOW = {
    "ConvKernelDim": [1, 4], "IFMChannels": 8, "IFMDim": [1, 32], "OFMDim": [1, 15], "SIMD": 2, "Stride": [1, 2],
    "Dilation": [1, 1], "inputDataType": "UINT4",
}  # fmt: skip


def test_window_in_one_dimension() -> None:
    assert node("ConvolutionInputGenerator_rtl", WINDOW, ZYNQ)["cycles"] == 15 * 4 * 4 + 2
    deep = node("ConvolutionInputGenerator_rtl", WINDOW | {"depthwise": 1}, ZYNQ)
    assert deep["cycles"] == 15 * 4 * 4 + 4 * 3 * 1 - 3 + 2
    wide = node("ConvolutionInputGenerator_rtl", WINDOW | {"parallel_window": 1, "SIMD": 8}, ZYNQ)
    assert wide["cycles"] == 32 + 2 and wide["BRAM_18K"] == 0


@pytest.mark.parametrize(
    ("op", "attributes", "cycles"),
    [
        ("Pool_hls", {"Channels": 8, "PE": 2, "KernelSize": [2, 2], "OutImgDims": [4, 5]}, 4 * 4 * 20),
        ("AddStreams_hls", {"NumChannels": 8, "PE": 2, "numInputVectors": [1, 3, 3]}, 36),
        ("DuplicateStreams_hls", {"NumChannels": 8, "PE": 2, "numInputVectors": [1, 3, 3]}, 36),
        ("GlobalAccPool_hls", {"NumChannels": 8, "PE": 2, "numInputVectors": [1, 3, 3]}, 40),
        ("LabelSelect_hls", {"Labels": 10, "PE": 2}, 5),
        ("FMPadding_rtl", {"ImgDim": [4, 6], "Padding": [1, 2, 0, 3], "NumChannels": 8, "SIMD": 2}, 5 * 11 * 4),
        ("IODMA_hls", {}, 0),
    ],
)
def test_operations_of_which_finn_knows_cycles_only(op: str, attributes: dict[str, Any], cycles: int) -> None:
    assert node(op, attributes, ZYNQ) == {"LUT": 0, "DSP": 0, "BRAM_18K": 0, "URAM": 0, "cycles": cycles}


def test_uniform_thresholds_store_steps() -> None:
    shape = {"NumChannels": 64, "PE": 1, "inputDataType": "INT16", "weightDataType": "INT16", "numInputVectors": [1]}
    one = {"outputDataType": "UINT2", "uniform_thres": 1}
    assert node("Thresholding_rtl", shape | one, ZYNQ)["LUT"] == 2  # one memory of 1 bit by 128 words


@pytest.mark.parametrize(
    ("op", "attributes", "error", "message"),
    [
        ("Conv", {}, UnknownOperation, "no estimate for 'Conv'"),
        ("MVAU_hls", {"MW": 8}, BadOption, "MVAU_hls: attribute 'MH' is missing"),
        ("MVAU_hls", unit(PE=5), BadFolding, "PE=5 does not divide MH=16"),
        ("MVAU_hls", unit(resTyp="dsp"), BadOption, "unknown attribute 'resTyp'; did you mean 'resType'"),
        ("MVAU_hls", unit(resType="bram"), BadOption, "resType='bram'; choose one of auto, lut, dsp"),
        ("MVAU_hls", unit(weightDataType="FLOAT32"), BadOption, "weightDataType='FLOAT32'"),
        ("MVAU_hls", unit(PE="4"), BadOption, "PE='4' must be a whole number"),
        ("MVAU_hls", unit(numInputVectors="1"), BadOption, "must be a list of whole numbers"),
        ("FMPadding_rtl", {"ImgDim": [4], "NumChannels": 8, "SIMD": 2}, BadOption, "must have two elements"),
    ],
)
def test_bad_nodes(op: str, attributes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        node(op, attributes, ZYNQ)
