"""FINN's estimates of thresholds, FIFOs and element-wise streams, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from hwcost.models.finn import node

ZYNQ = "xc7z020clg400-1"


def test_fifo_with_the_defect_of_dev() -> None:
    attributes = {"depth": 32, "folded_shape": [1, 8, 16], "dataType": "UINT4"}
    assert node("StreamingFIFO_rtl", attributes, ZYNQ) == {"LUT": 10, "DSP": 0, "BRAM_18K": 2, "URAM": 1, "cycles": 0}
    deep = node("StreamingFIFO_rtl", attributes | {"depth": 600, "impl_style": "vivado"}, ZYNQ)
    assert deep["BRAM_18K"] == 4  # 1024 words of 64 bits


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


@pytest.mark.parametrize(("inputs", "outputs", "lut"), [(8, 8, 0), (8, 32, 34), (32, 8, 10), (8, 12, 25 + 13)])
def test_converters_by_their_least_common_multiple(inputs: int, outputs: int, lut: int) -> None:
    """From 8 to 12 bits by way of 24: 1 + 24 LUTs to collect them, and 1 + 12 to give them out."""
    found = node("StreamingDataWidthConverter_rtl", {"inWidth": inputs, "outWidth": outputs}, ZYNQ)
    assert found["LUT"] == lut
