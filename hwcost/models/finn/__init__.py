"""FINN's own estimates, number by number, for people who will build with FINN."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from immutabledict import immutabledict

from hwcost.errors import UnknownOperation
from hwcost.models.finn import compute, streams, window
from hwcost.models.finn.attributes import Figures, Node

_WEIGHTS = "PE SIMD inputDataType weightDataType outputDataType accDataType noActivation resType mem_mode ram_style"
_MVAU = f"MW MH numInputVectors ram_style_thresholds mlo_max_iter {_WEIGHTS}"
_VVAU = f"Channels Kernel Dim mlo_max_iter {_WEIGHTS}"
_WINDOW = (
    "ConvKernelDim IFMChannels IFMDim OFMDim SIMD Stride Dilation inputDataType depthwise ram_style parallel_window"
)
_THRESHOLDS = "NumChannels PE inputDataType weightDataType outputDataType numInputVectors ram_style"
_TRIGGERS = "depth_trigger_bram depth_trigger_uram uniform_thres"
_STREAM = "NumChannels PE numInputVectors"

OPERATIONS: Mapping[str, tuple[Callable[[Node], Figures], str]] = immutabledict(
    {
        "MVAU_hls": (compute.mvau_hls, _MVAU),
        "MVAU_rtl": (compute.mvau_rtl, _MVAU),
        "VVAU_hls": (compute.vvau_hls, _VVAU),
        "VVAU_rtl": (compute.vvau_rtl, _VVAU),
        "ConvolutionInputGenerator_rtl": (window.swg_rtl, _WINDOW),
        "ConvolutionInputGenerator_hls": (window.swg_hls, _WINDOW),
        "Thresholding_hls": (streams.thresholding_hls, _THRESHOLDS),
        "Thresholding_rtl": (streams.thresholding_rtl, f"{_THRESHOLDS} {_TRIGGERS}"),
        "ChannelwiseOp_hls": (streams.channelwise_hls, _THRESHOLDS),
        "StreamingFIFO_rtl": (streams.fifo_rtl, "depth folded_shape dataType impl_style ram_style"),
        "StreamingDataWidthConverter_rtl": (streams.width_converter, "inWidth outWidth"),
        "StreamingDataWidthConverter_hls": (streams.width_converter, "inWidth outWidth"),
        "AddStreams_hls": (streams.transactions, _STREAM),
        "DuplicateStreams_hls": (streams.transactions, _STREAM),
        "GlobalAccPool_hls": (streams.global_accumulate, _STREAM),
        "LabelSelect_hls": (streams.label_select, "Labels PE"),
        "Pool_hls": (streams.pool, "Channels PE KernelSize OutImgDims BatchSize"),
        "FMPadding_hls": (streams.padding, "ImgDim Padding NumChannels SIMD"),
        "FMPadding_rtl": (streams.padding, "ImgDim Padding NumChannels SIMD"),
        "IODMA_hls": (streams.nothing, ""),
        "TLastMarker_hls": (streams.nothing, ""),
        "CheckSum_hls": (streams.nothing, ""),
    }
)
"""FINN operation -> (its estimate, the attributes that the estimate reads)."""


def node(op: str, attributes: Mapping[str, object], part: str) -> dict[str, int]:
    """FINN's estimate of one node.

    Args:
        op: FINN operation with its back end, e.g. "MVAU_hls".
        attributes: of the node, by FINN's names; those that FINN gives a default may be left out.
        part: full part number, e.g. "xc7z020clg400-1".

    Returns:
        LUT, DSP, BRAM_18K, URAM (counts) and cycles (per inference), as FINN dev 73ba5ed computes them, its defects
        included.

    Raises:
        UnknownOperation: FINN estimates it otherwise than here, or not at all.
        BadOption, BadFolding: an attribute is missing, wrong, or does not divide.

    Error: equal on all 1,000 rows of FINN's output (tests/models/finn/test_finn.py). Against synthesis the median of
        estimate / measured is 1.6 for LUT of single units.
    Source: FINN dev 73ba5ed (2026-04-17).

    >>> fold = {"MW": 64, "MH": 16, "PE": 4, "SIMD": 8, "numInputVectors": [1]}
    >>> types = {"inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT16"}
    >>> node("MVAU_rtl", fold | types, "xczu7ev-ffvc1156-2-e")
    {'LUT': 0, 'DSP': 8, 'BRAM_18K': 4, 'URAM': 0, 'cycles': 32}
    """
    if op not in OPERATIONS:
        raise UnknownOperation(f"finn.node: no estimate for {op!r}; there is one for {', '.join(sorted(OPERATIONS))}")
    estimate, known = OPERATIONS[op]
    return asdict(estimate(Node(op, attributes, part, known.split())))
