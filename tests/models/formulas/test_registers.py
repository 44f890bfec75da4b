"""Registers of units are those of their RTL, as a synthesizer counted them (Yosys 0.70)."""

from __future__ import annotations

import pytest

from hwcost.models.calibration.corpus import Unit
from hwcost.models.calibration.unit_prices import block_of, price
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.coefficients import values
from hwcost.models.formulas.fabric import FABRICS
from hwcost.models.formulas.formula import Fold, Setting
from hwcost.models.formulas.registers import counter_bits, stream_registers, window_counters, window_words

RTL, HLS = (Setting("DSP48E2", "search", flow, "per_pe") for flow in ("rtl", "hls"))


@pytest.mark.parametrize(
    ("structure", "geometry", "input", "simd", "measured"),
    [
        ("serial", "8 6x6 3x3 1x1 1x1 0x0", "UINT4", 1, 59),
        ("serial", "32 8x8 3x3 1x1 1x1 0x0", "UINT7", 4, 64),
        ("serial", "4 14x14 3x3 3x3 1x1 0x0", "UINT5", 1, 61),
        ("parallel", "32 10x10 2x2 1x1 1x1 0x0", "UINT4", 32, 525),
        ("parallel", "1 12x12 5x5 1x1 1x1 0x0", "UINT7", 1, 188),
        ("parallel", "3 24x24 5x5 1x1 1x1 0x0", "UINT2", 3, 166),
    ],
)
def test_windows_have_the_registers_that_were_counted(
    structure: str, geometry: str, input: str, simd: int, measured: int
) -> None:
    unit = Unit(kind="window", structure=structure, geometry=geometry, input=input, simd=simd)
    assert price(unit, "xcup", values("rtl"))["FF"] == measured


@pytest.mark.parametrize(
    ("unit", "measured"),
    [
        (Unit(kind="fifo", structure="srl", geometry="70x6"), 8),
        (Unit(kind="converter", structure="up", geometry="5x9"), 48),
        (Unit(kind="concat", input="UINT12", pe=4, geometry="3"), 51),
        (Unit(kind="saturate", input="INT9", output="INT5", pe=2), 11),
    ],
    ids=lambda value: value.kind if isinstance(value, Unit) else "",
)
def test_streams_have_the_registers_that_were_counted(unit: Unit, measured: int) -> None:
    assert price(unit, "xcup", values("rtl"))["FF"] == measured


def test_padding_has_counters_of_its_own() -> None:
    bare, padded = (
        block_of(Unit(kind="window", input="UINT4", geometry=f"4 6x6 3x3 1x1 1x1 {pad}", structure="serial"))
        for pad in ("0x0", "1x1")
    )
    grown = window_counters(padded, Fold(), 64) - window_counters(bare, Fold(), 64)
    reach = 3 * ((8 * 8 * 4).bit_length() - (6 * 6 * 4).bit_length())
    assert grown == counter_bits(4, 8, 8) + reach + counter_bits(6, 6) - counter_bits(4, 4)


def test_a_word_that_a_block_ram_gives_needs_no_register() -> None:
    block = block_of(Unit(kind="window", input="UINT4", geometry="4 6x6 3x3 1x1 1x1 0x0", structure="serial"))
    assert (
        window_words(block, Fold(), FABRICS["DSP48E2"], in_lut=True),
        window_words(block, Fold(), FABRICS["DSP48E2"], in_lut=False),
    ) == (1, 0)
    assert window_words(block, Fold(simd=4, parallel_window=True), FABRICS["DSP48E2"], in_lut=True) == 9
    assert (
        window_words(block, Fold(simd=2, parallel_window=True), FABRICS["DSP48E2"], in_lut=True) == 9 + 3 * 2
    )  # two words a pixel


def test_a_stream_has_one_register_in_rtl_and_two_in_hls() -> None:
    assert (stream_registers(EXACT, 12, RTL), stream_registers(EXACT, 12, HLS)) == (13, 24)
