"""Which tools a part has, and the smallest part that has room."""

from __future__ import annotations

import pytest
from routed import FakeRouter, netlist

pytest.importorskip("pyosys", reason="pyosys is not installed: no tools were chosen; pip install 'hwcost[synth]'")

from hwcost.build.route.families import smallest, tools_of
from hwcost.errors import BadOption
from hwcost.models.device import device


def test_the_tools_of_a_part() -> None:
    synthesizer, router = tools_of(device("ecp5-45k"))
    assert "synth_ecp5" in synthesizer.name and router.pins(device("ecp5-45k")) == 203


def test_a_part_without_a_router_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(BadOption, match=r"PYNQ-Z1 \(Zynq-7000\) has no open router.*ECP5-12F, ECP5-25F, ECP5-45F"):
        tools_of(device("PYNQ-Z1"))


@pytest.mark.parametrize(
    ("amounts", "name"),
    [
        ({"LUT": 6000}, "ECP5-12F"),
        ({"LUT": 6100}, "ECP5-25F"),
        ({"LUT": 100, "DSP": 20}, "ECP5-45F"),
        ({"BRAM18": 104}, "ECP5-85F"),
        ({"LUT": 10**6}, "ECP5-85F"),
    ],
)
def test_the_smallest_part_that_is_filled_to_half(amounts: dict[str, int], name: str) -> None:
    assert smallest(netlist(**amounts), "ECP5", FakeRouter()).name == name


def test_pins_count_too() -> None:
    assert smallest(netlist(pins=101), "ECP5", FakeRouter()).name == "ECP5-85F"
