"""FINN's estimates of sliding windows, by hand."""

from __future__ import annotations

from hwcost.models.finn import node

ZYNQ = "xc7z020clg400-1"


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


PLANE = WINDOW | {"ConvKernelDim": [3, 3], "IFMDim": [8, 8], "OFMDim": [6, 6], "Stride": [1, 1], "SIMD": 4}


def test_window_in_two_dimensions() -> None:
    """Two lines and three pixels, two words each, fill it; then a row takes all its windows, or what must arrive."""
    whole = node("ConvolutionInputGenerator_rtl", PLANE, ZYNQ)
    assert whole["cycles"] == (2 * 8 + 3) * 2 + 6 * max(6 * 9 * 2, 8 * 2)
    assert (whole["LUT"], whole["BRAM_18K"], whole["URAM"]) == (300, 1, 0)
    in_lut = node("ConvolutionInputGenerator_rtl", PLANE | {"ram_style": "distributed"}, ZYNQ)
    assert (in_lut["LUT"], in_lut["BRAM_18K"]) == (300 + 16 * 1, 0)  # 38 words of 16 bits
