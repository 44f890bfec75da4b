"""The table of parts."""

from __future__ import annotations

import pytest

from hwcost.errors import UnknownDevice
from hwcost.models.device import USABLE, device, devices
from hwcost.models.formulas.dsp import DSP_KINDS
from hwcost.models.resources import AREAS


def test_every_part_is_complete() -> None:
    assert len(devices()) >= 20
    for part in devices():
        assert part.LUT > 0 and part.FF >= 2 * part.LUT * 0.99 and part.DSP > 0 and part.BRAM18 > 0 and part.URAM >= 0
        assert part.dsp_kind in DSP_KINDS
        assert part.source
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
    ],
)
def test_known_parts(name: str, lut: int) -> None:
    assert device(name).LUT == lut


def test_unknown_part_lists_close_names() -> None:
    with pytest.raises(UnknownDevice, match=r"'xc7z02'.*xc7z020"):
        device("xc7z02")
    with pytest.raises(UnknownDevice, match=r"'nope' is not in the table; `hwcost devices` lists"):
        device("nope")


def test_usable_is_a_fraction() -> None:
    part = device("xc7z020")
    assert part.usable["LUT"] == pytest.approx(0.7 * 53200)
