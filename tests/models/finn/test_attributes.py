"""Attributes of FINN nodes: FINN's own names, defaults and data types; what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from hwcost.errors import BadFolding, BadOption, UnknownOperation
from hwcost.models.finn import node
from hwcost.models.finn.attributes import DataType, Node, cdiv

ZYNQ = "xc7z020clg400-1"


def unit(**changes: Any) -> dict[str, Any]:
    sizes = {"MW": 64, "MH": 16, "PE": 4, "SIMD": 8, "numInputVectors": [1, 7, 7]}
    types = {"inputDataType": "UINT4", "weightDataType": "INT4", "outputDataType": "INT16"}
    return sizes | types | changes


def test_defaults_are_those_of_finn() -> None:
    explicit = {"resType": "lut", "mem_mode": "internal_decoupled", "ram_style": "auto", "accDataType": "INT32"}
    assert node("MVAU_hls", unit(), ZYNQ) == node("MVAU_hls", unit(**explicit), ZYNQ)


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


@pytest.mark.parametrize(
    ("name", "bits", "signed"),
    [("BIPOLAR", 1, True), ("BINARY", 1, False), ("TERNARY", 2, True), ("INT7", 7, True), ("UINT16", 16, False)],
)
def test_data_types(name: str, bits: int, signed: bool) -> None:
    assert Node("op", {"dataType": name}, ZYNQ, ("dataType",)).type("dataType") == DataType(bits, signed)


@pytest.mark.parametrize("name", ["INT0", "INT", "UINT-3", "int4", 4, None])
def test_what_is_no_data_type(name: object) -> None:
    with pytest.raises(BadOption, match=r"op: dataType=.*; use BIPOLAR, BINARY, TERNARY, INTn or UINTn"):
        Node("op", {"dataType": name}, ZYNQ, ("dataType",)).type("dataType")


def test_a_list_of_one_may_be_a_number_and_sizes_are_divided() -> None:
    read = Node("op", {"numInputVectors": 7, "MW": 12, "SIMD": 4}, ZYNQ, ("numInputVectors", "MW", "SIMD"))
    assert read.numbers("numInputVectors") == [7] and read.vectors == 7 and read.fold("MW", "SIMD") == 3
    assert [cdiv(size, 4) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]
