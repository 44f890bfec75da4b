"""The table of parts."""

from __future__ import annotations

import re

import pytest

from hwcost.errors import UnknownDevice
from hwcost.models.device import USABLE, device, devices
from hwcost.models.formulas.dsp import DSP_KINDS
from hwcost.models.resources import AREAS


def test_every_part_is_complete() -> None:
    assert len(devices()) >= 20
    for part in devices():
        flip_flops = 1 if part.family == "ECP5" else 2
        assert part.LUT > 0 and part.FF >= flip_flops * part.LUT * 0.99
        assert part.DSP > 0 and part.BRAM18 > 0 and part.URAM >= 0
        assert part.dsp_kind in DSP_KINDS
        assert part.source and bool(part.doubts) == bool(part.unconfirmed)
        assert 0 < part.LUTRAM < part.LUT and set(part.unconfirmed) <= set(AREAS)
        assert set(part.capacity) == set(AREAS) == set(USABLE)


def test_every_name_finds_its_part() -> None:
    for part in devices():
        assert device(part.name.upper()) is part
        assert device(part.part.lower()) is part
        assert all(device(alias) is part for alias in part.aliases)


@pytest.mark.parametrize(
    ("name", "lut"),
    [
        ("xc7z020", 53200),
        ("PYNQ-Z2", 53200),
        ("xczu3eg", 70560),
        ("zcu104", 230400),
        ("vu13p", 1728000),
        ("xcu250", 1728000),
        ("xc7k325t", 203800),
        ("kcu105", 242400),
        ("Basys3", 20800),
        ("Arty-A7-35T", 20800),
        ("Cmod-A7", 20800),
        ("Zybo-Z7-10", 17600),
        ("zybo-z7-20", 53200),
        ("zedboard", 53200),
        ("nexys-video", 134600),
        ("KR260", 117120),
        ("VCK5000", 899840),
        ("ecp5-85k", 83640),
        ("LFE5U-25F", 24288),
        ("ULX3S-45F", 43848),
    ],
)
def test_known_parts(name: str, lut: int) -> None:
    assert device(name).LUT == lut


BOARDS = """
Zybo Z7-10, Zybo Z7-20, Arty Z7-20, Arty Z7-10, ZedBoard, Cora Z7-10, Cora Z7-07S, Basys 3, Arty A7-35T, Cmod A7,
Nexys Video, xc7a200t,
ZCU106, KR260, Genesys ZU-3EG, Genesys ZU 5EV, ZU5EV, ZU19EG, KU5P, KU15P, VX690T, K7-410T, VCK5000,
VPK120, PYNQ Z2, Ultra96 V2, Alveo U50, alveo_u250
"""


@pytest.mark.parametrize("name", " ".join(BOARDS.split()).split(", "))
def test_boards_as_people_write_them(name: str) -> None:
    found = device(name)
    plain, *names = (re.sub("[-_ ]", "", one.lower()) for one in (name, found.name, *found.aliases, found.die))
    assert plain in names


@pytest.mark.parametrize("name", ["Arty Z7", "Cora Z7", "Genesys ZU"])
def test_boards_that_come_with_several_parts_are_asked_back(name: str) -> None:
    with pytest.raises(UnknownDevice, match=f"did you mean {name.lower().replace(' ', '-')}-"):
        device(name)


def test_unknown_part_lists_close_names() -> None:
    with pytest.raises(UnknownDevice, match=r"'xc7z02'.*xc7z020"):
        device("xc7z02")
    with pytest.raises(UnknownDevice, match=r"'nope' is not in the table; `hwcost devices` lists"):
        device("nope")


def test_usable_is_a_fraction() -> None:
    part = device("xc7z020")
    assert part.usable["LUT"] == pytest.approx(0.7 * 53200)


@pytest.mark.parametrize(
    ("name", "lutram"),
    [("xc7z010", 6000), ("xc7z020", 17400), ("xc7z045", 70400), ("xczu7ev", 101760), ("vu9p", 591840)],
)
def test_luts_that_can_be_ram(name: str, lutram: int) -> None:
    assert device(name).LUTRAM == lutram


@pytest.mark.parametrize(
    "name", ["xc7z020clg484", "xc7z020clg484-1", "XC7Z020-2CLG484I", "xc7z020-1clg400c", "xc7z020clg400-3"]
)
def test_a_part_number_finds_its_die_in_any_package(name: str) -> None:
    found = device(name)
    assert found.capacity == device("xc7z020").capacity and found.part == name.lower()


@pytest.mark.parametrize(
    ("name", "die"),
    [
        ("xczu7ev-fbvb900-1-i", "xczu7ev"),
        ("xc7a35tftg256-1", "xc7a35t"),
        ("xc7a35ticsg324-1L", "xc7a35t"),
        ("xcku5p-sfvb784-1-e", "xcku5p"),
        ("xcvu9p-fsgd2104-2L-e", "xcvu9p"),
        ("xcvc1902-viva1596-2MP-e-S", "xcvc1902"),
        ("LFE5U-85F-8BG381I", "LFE5U-85F"),
        ("lfe5u-25f-6mg285c", "LFE5U-25F"),
    ],
)
def test_other_packages(name: str, die: str) -> None:
    assert device(name).die == die and device(name).LUT == device(die).LUT


@pytest.mark.parametrize(
    "name", ["xc7z0201", "xc7z020x", "xc7z02", "xczu7", "xc7a35", "xczu7e-ffvc1156-2-e", "LFE5U-5F", "LFE5U"]
)
def test_a_longer_or_shorter_number_is_another_part(name: str) -> None:
    with pytest.raises(UnknownDevice):
        device(name)


def test_rows_of_one_die_agree() -> None:
    for part in devices():
        twin = device(part.die)
        assert (part.capacity, part.LUTRAM, part.family) == (twin.capacity, twin.LUTRAM, twin.family)
