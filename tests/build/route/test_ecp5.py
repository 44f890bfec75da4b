"""What nextpnr is told about ECP5 parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwcost.build.route.ecp5 import arguments, pins
from hwcost.errors import BadOption
from hwcost.models.device import device, devices


def test_every_part_of_the_table_can_be_named_to_the_router() -> None:
    parts = [part for part in devices() if part.family == "ECP5"]
    assert len(parts) == 4
    for part in parts:
        assert arguments(part)[0] == f"--{part.name[5:7]}k" and pins(part) >= 197


def test_package_and_speed_grade_come_from_the_part_number() -> None:
    assert arguments(device("LFE5U-85F-8BG381I"))[:5] == ("--85k", "--package", "CABGA381", "--speed", "8")
    assert arguments(device("LFE5U-25F-6MG285C"))[:3] == ("--25k", "--package", "CSFBGA285")
    assert pins(device("LFE5U-25F-6MG285C")) == 118


@pytest.mark.parametrize("number", ["LFE5U-85F", "LFE5U-12F-6BG756C", "xc7z020clg400-1"])
def test_other_numbers_are_refused(number: str) -> None:
    with pytest.raises(BadOption, match=f"{number} is no part number of ECP5 that can be routed"):
        arguments(replace(device("ecp5-85k"), part=number))
